"""Old names that are still accepted: one table for fields of cards and `--set`, for verbs and for
command-line options, and the functions that replace them by the current ones. Validates nothing: an unknown
name passes through unchanged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from facespace.core import console


@dataclass(frozen=True)
class Alias:
    """The current name of a field, option or verb, and the current names of values that were renamed too."""

    name: str
    values: Mapping[str, str] = field(default_factory=dict)  # old value -> current value

    def current_value(self, value: Any) -> Any:
        """The value under its current name. The items of a list and the keys of a table count as values."""
        if not self.values:
            return value
        if isinstance(value, Mapping):
            return {self.values.get(key, key): item for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.current_value(item) for item in value]
        if isinstance(value, str):
            return self.values.get(value, value)
        return value


VERB, ARGUMENT = "verb", "argument"
_SOURCE = Alias("source", {"procedural": "synthetic"})
_PRIOR = {"own": "model"}
_PRIOR_OPTION = Alias("--prior", _PRIOR)
_CONDITION = Alias("--condition")

# kind -> old name -> alias. A kind is the name of a config's dataclass, the "kind" of a card or of a table
# inside it (see INSIDE), VERB, "facespace VERB" for the options of one verb, or ARGUMENT for arguments of
# library functions. A field that keeps its name while one of its values is renamed has a row as well.
ALIASES: dict[str, dict[str, Alias]] = {
    "DataConfig": {"source": _SOURCE, "shift": Alias("affine")},
    "ModelConfig": {
        "kind": Alias("kind", {"ladder": "hierarchical"}),
        "latent": Alias("latent_dim"),
        "body": Alias("backbone", {"pyramid": "progressive"}),
        "bottleneck": Alias("bottleneck", {"point": "deterministic", "codes": "vq"}),
        "codebook": Alias("codebook_size"),
        "code": Alias("code_dim"),
        "looks": Alias("refinement_steps"),
        "pixels": Alias("likelihood"),
    },
    "ObjectiveConfig": {
        "focus": Alias("center_weight"),
        "matching": Alias("feature_matching"),
        "adversarial_drawn": Alias("adversarial_generated"),
        "adversary_start": Alias("adversarial_start"),
        "samples": Alias("iwae_samples"),
    },
    "TrainConfig": {
        "only": Alias("freeze", {"all": "none", "decoder": "encoder"}),
        "final_rate": Alias("final_learning_rate"),
        "clip": Alias("gradient_clip"),
    },
    "AttributePlan": {"shift": Alias("affine")},
    "Recipe": {"name": Alias("name", {"ladder": "hierarchical"})},
    "faceset": {"source": _SOURCE},
    "bundle": {"failings": Alias("limitations")},
    "attribute network": {
        "failings": Alias("limitations"),
        "failings_by_attribute": Alias("limitations_by_attribute"),
    },
    "log-likelihoods": {"own": Alias("model")},
    "attribute figures": {
        "yes_found": Alias("true_positive_rate"),
        "no_found": Alias("true_negative_rate"),
    },
    "direction": {"pairs": Alias("shots"), "kind_of": Alias("cluster_of")},
    "evaluation protocol": {"chosen": Alias("selection")},
    "generation": {"floor": Alias("real_reference")},
    "real-vs-real reference": {"of": Alias("compared")},
    "memorisation": {"held_against": Alias("training_faces")},
    "latent health": {"active_above": Alias("active_threshold")},
    "likelihood": {"pixels": Alias("pixel_likelihood")},
    "factor scores": {"latent": Alias("best_latent")},
    "terms": {
        "focus": Alias("center"),
        "matching": Alias("feature_matching"),
        "critic": Alias("discriminator"),
    },
    "run": {"recipe": Alias("recipe", {"ladder": "hierarchical"})},
    VERB: {"scorecard": Alias("benchmark-edits"), "thin": Alias("subsample")},
    "facespace prepare": {
        "--every-face": Alias("--all-faces"),
        "--smallest": Alias("--min-eye-distance"),
    },
    "facespace label": {"--with": Alias("--classifier")},
    "facespace sample": {"--given": _CONDITION, "--prior": _PRIOR_OPTION},
    "facespace reconstruct": {"--given": _CONDITION},
    "facespace decode": {"--given": _CONDITION},
    "facespace directions": {
        "--pairs": Alias("--shots"),
        "--with": Alias("--positive"),
        "--without": Alias("--negative"),
    },
    "facespace edit": {
        "--refine": Alias("--optimize-steps"),
        "--judge": Alias("--classifier"),
        "--prior": _PRIOR_OPTION,
    },
    "facespace morph": {
        "--keep": Alias("--lock"),
        "--path": Alias("--path", {"dense": "geodesic"}),
        "--prior": _PRIOR_OPTION,
    },
    "facespace mix": {"--prior": _PRIOR_OPTION},
    "facespace evaluate": {"--bound": Alias("--iwae-samples"), "--prior": _PRIOR_OPTION},
    "facespace benchmark-edits": {"--scorer": Alias("--classifier")},
    "facespace pack": {"--failing": Alias("--limitation")},
    ARGUMENT: {
        "recipe": Alias("recipe", {"ladder": "hierarchical"}),
        "path": Alias("path", {"dense": "geodesic"}),
        "prior": Alias("prior", _PRIOR),
    },
}
# kind -> field -> kind of the table in that field; "*" stands for all other fields.
INSIDE: dict[str, dict[str, str]] = {
    "Recipe": {
        "data": "DataConfig",
        "model": "ModelConfig",
        "objective": "ObjectiveConfig",
        "train": "TrainConfig",
    },
    "bundle": {
        "model": "ModelConfig",
        "recipe": "Recipe",
        "data": "faceset",
        "metrics": "epoch",
        "priors": "priors",
        "directions": "directions",
    },
    "epoch": {"train": "terms", "validation": "terms"},
    "priors": {"*": "prior"},
    "prior": {"nats": "splits"},
    "splits": {"*": "log-likelihoods"},
    "directions": {"names": "directions by name"},
    "directions by name": {"*": "direction"},
    "attribute network": {"held_out": "held-out figures"},
    "held-out figures": {"attributes": "figures by attribute"},
    "figures by attribute": {"*": "attribute figures"},
    "evaluation": {
        "protocol": "evaluation protocol",
        "generation": "generation",
        "memorisation": "memorisation",
        "latents": "latent health",
        "likelihood": "likelihood",
        "disentanglement": "disentanglement",
    },
    "generation": {"real_reference": "real-vs-real reference"},
    "memorisation": {"by_attributes": "memorisation"},
    "disentanglement": {"per_factor": "factors"},
    "factors": {"*": "factor scores"},
}

_reported: set[str] = set()  # notes of this process; each is shown once


def rename_old_keys(
    kind: str, values: Mapping[str, Any], where: str = "", report: bool = False
) -> dict[str, Any]:
    """A copy of one level of `values` with current names. Where both names are present, the current one is
    kept.

    `report` shows a note for each old name, once a process; `where` is the prefix of the names in it, such as
    'train.'."""
    aliases = ALIASES.get(kind, {})
    renamed: dict[str, Any] = {}
    for name, value in values.items():
        alias = aliases.get(name)
        if alias is None:
            renamed[name] = value
            continue
        if alias.name != name and alias.name in values:
            continue
        renamed[alias.name] = alias.current_value(value)
        if report:
            _report(where, name, value, alias)
    return renamed


def rename_nested(kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `values` with current names, and of the tables in it that INSIDE lists."""
    renamed, kinds = rename_old_keys(kind, values), INSIDE.get(kind, {})
    for name, value in renamed.items():
        inside = kinds.get(name, kinds.get("*"))
        if inside and isinstance(value, Mapping):
            renamed[name] = rename_nested(inside, value)
    return renamed


def current_argument(name: str, value: Any) -> Any:
    """The current value of an argument of a library function; an old one is noted."""
    return rename_old_keys(ARGUMENT, {name: value}, report=True)[name]


def current_verb(name: str) -> str:
    """The current name of a verb."""
    return next(iter(rename_old_keys(VERB, {name: None})))


def rename_arguments(tokens: Sequence[str]) -> list[str]:
    """The words of a command line with the current verb, options and values of options; each old one is
    noted."""
    if not tokens:
        return []
    verb = next(iter(rename_old_keys(VERB, {tokens[0]: None}, report=True)))
    options = ALIASES.get(f"facespace {verb}", {})
    renamed = [verb]
    words = iter(tokens[1:])
    for word in words:
        name, equals, value = word.partition("=")
        alias = options.get(name)
        if alias is None:
            renamed.append(word)
        elif equals:
            _report("", name, value, alias)
            renamed.append(f"{alias.name}={alias.current_value(value)}")
        else:
            following = list(islice(words, 1)) if alias.values else []  # the value that has to be renamed too
            current = [alias.current_value(value) for value in following]
            _note(" ".join([name, *following]), " ".join([alias.name, *current]))
            renamed += [alias.name, *current]
    return renamed


def _report(where: str, name: str, value: Any, alias: Alias) -> None:
    """Notes the current names of a field and of its value, or of the keys of a table."""
    endings = [("", "")]
    if isinstance(value, Mapping):
        endings = [(f".{key}", f".{alias.current_value(key)}") for key in value]
    elif isinstance(value, str) and alias.current_value(value) != value:
        endings = [(f"={value}", f"={alias.current_value(value)}")]
    for old_ending, new_ending in endings:
        old, new = f"{where}{name}{old_ending}", f"{where}{alias.name}{new_ending}"
        _note(old, new)


def _note(old: str, new: str) -> None:
    """Prints that a name changed, once a process."""
    if old != new and old not in _reported:
        _reported.add(old)
        console.note(f"{old} is now {new}.")
