"""Every row of the table of old names: as --set, on the command line, in library calls, in cards, runs and checkpoints."""

import dataclasses
import functools
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch
from conftest import TINY

import facespace
from facespace.cli.app import app
from facespace.core import aliases
from facespace.core.aliases import ALIASES, ARGUMENT, INSIDE, VERB, Alias, rename_arguments, rename_nested
from facespace.core.configs import from_dict, override
from facespace.core.console import quiet
from facespace.core.errors import TrainingError
from facespace.latent.morph import PathSpec
from facespace.models import bundle, card_text
from facespace.models.locations import PACKAGED
from facespace.perception.store import SCORER, read_classifier
from facespace.recipes import RECIPES, recipe
from facespace.recipes.config import Recipe
from facespace.report.runs import find_runs
from facespace.training.attribute_plan import AttributePlan
from facespace.training.run_log import read_records

# Section of a recipe -> kind of the table; "" is the recipe itself.
SECTIONS = {
    "": "Recipe",
    "data": "DataConfig",
    "model": "ModelConfig",
    "objective": "ObjectiveConfig",
    "train": "TrainConfig",
}
# A value for each field whose values keep their names.
VALUES = {
    "affine": 0.5,
    "latent_dim": 48,
    "codebook_size": 64,
    "code_dim": 2,
    "refinement_steps": 2,
    "likelihood": "mse",
    "center_weight": 3.0,
    "feature_matching": 0.5,
    "adversarial_generated": 0.25,
    "adversarial_start": 0.5,
    "iwae_samples": 3,
    "final_learning_rate": 0.5,
    "gradient_clip": 2.0,
}
START = recipe("demo")
PLAN = dataclasses.replace(AttributePlan(), affine=0.1)


@pytest.fixture(autouse=True)
def unreported(monkeypatch):
    """No old name has been noted yet."""
    monkeypatch.setattr(aliases, "_reported", set())


def notes(capsys) -> list[str]:
    return capsys.readouterr().err.splitlines()


def old_settings() -> Iterator[tuple[str, str]]:
    """Each old setting of a recipe with the current one."""
    for section, kind in SECTIONS.items():
        prefix = f"{section}." if section else ""
        for old, alias in ALIASES[kind].items():
            values = alias.values or {VALUES[alias.name]: VALUES[alias.name]}
            for old_value, value in values.items():
                yield f"{prefix}{old}={old_value}", f"{prefix}{alias.name}={value}"


@pytest.mark.parametrize(("old", "new"), [*old_settings()])
def test_an_old_setting_works_and_names_the_new_one_once(old, new, capsys):
    changed = [override(START, [old]) for _ in range(2)]
    (old_name, _, old_value), (name, _, value) = old.partition("="), new.partition("=")
    note = f"{old_name} is now {name}." if old_value == value else f"{old} is now {new}."
    assert notes(capsys) == [note]
    assert changed[0] == changed[1] == override(START, [new])
    assert str(functools.reduce(getattr, name.split("."), changed[0])) == value
    assert notes(capsys) == []


def test_the_old_setting_of_an_attribute_classifier_works():
    assert set(ALIASES["AttributePlan"]) == {"shift"}
    assert override(PLAN, ["shift=0.3"]) == override(PLAN, ["affine=0.3"])


def test_every_row_leads_to_a_current_name():
    """Its field, verb or option exists; the old name is no field, verb or option by now."""
    kinds = {
        **{f"facespace {name}": options(name) for name in app if not name.startswith("-")},
        VERB: set(app),
        "AttributePlan": {field.name for field in dataclasses.fields(AttributePlan)},
        **{kind: fields_of(section) for section, kind in SECTIONS.items()},
    }
    for kind in set(kinds) & set(ALIASES):
        for old, alias in ALIASES[kind].items():
            assert alias.name in kinds[kind], (kind, old)
            assert old == alias.name or old not in kinds[kind], (kind, old)
    cards = {"faceset", "bundle", "attribute network", "log-likelihoods", "terms", "run", ARGUMENT}
    cards |= {"attribute figures", "direction"}
    evaluation = {"evaluation protocol", "generation", "real-vs-real reference", "memorisation"}
    evaluation |= {"latent health", "likelihood", "factor scores"}
    assert set(ALIASES) - set(kinds) == cards | evaluation


def test_the_page_of_renames_lists_every_row():
    page = (Path(__file__).parent.parent / "docs/migration.md").read_text(encoding="utf-8")
    for kind, rows in ALIASES.items():
        for old, alias in rows.items():
            for name in (old, alias.name, *alias.values, *alias.values.values()):
                assert name in page, (kind, name)


def options(verb: str) -> set[str]:
    return {name for argument in app[verb].assemble_argument_collection() for name in argument.names}


def fields_of(section: str) -> set[str]:
    config = getattr(recipe("demo"), section) if section else recipe("demo")
    return {field.name for field in dataclasses.fields(config)}


def old_options() -> Iterator[tuple[str, str, Alias]]:
    for kind, rows in ALIASES.items():
        verb = kind.removeprefix("facespace ")
        if verb != kind:
            for old, alias in rows.items():
                yield verb, old, alias


@pytest.mark.parametrize(("verb", "old", "alias"), [*old_options()])
def test_an_old_option_parses_to_the_new_one_and_is_noted_once(verb, old, alias, capsys):
    pairs = alias.values or {"x": "x"}
    for old_value, value in pairs.items():
        tail, renamed = ["--to", "a", old, old_value], ["--to", "a", alias.name, value]
        assert rename_arguments([verb, *tail, "--to"]) == [verb, *renamed, "--to"]
        assert rename_arguments([verb, *tail]) == [verb, *renamed]
        words = (old, alias.name) if old_value == value else (f"{old} {old_value}", f"{alias.name} {value}")
        assert notes(capsys) == [f"{words[0]} is now {words[1]}."]
        assert rename_arguments([verb, f"{old}={old_value}"]) == [verb, f"{alias.name}={value}"]
        capsys.readouterr()
    assert rename_arguments([verb, old]) == [verb, alias.name]


@pytest.mark.parametrize(("old", "alias"), [*ALIASES[VERB].items()])
def test_an_old_verb_is_the_new_one(old, alias, cli):
    code, out, err = cli(old, "--help")
    assert code == 0 and f"Usage: facespace {alias.name} " in " ".join(out.split())
    assert err.strip() == f"{old} is now {alias.name}."
    code, _, err = cli(old)
    assert code == 2 and f"Try: facespace {alias.name} --help" in " ".join(err.split())
    assert f"{old} is now" not in err and old not in cli()[1].split()


def test_old_options_reach_their_verbs(cli, trained, told, drawn, tmp_path):
    shown = ("sample", trained, "-n", "2", "--seed", "3", "--to")
    assert cli(*shown, tmp_path / "a.npy", "--prior", "own")[0] == 0
    assert cli(*shown, tmp_path / "b.npy", "--prior=model")[0] == 0
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    code, out, _ = cli("sample", told, "-n", "1", "--given", "Hat=yes", "--to", tmp_path / "c.npy", "--json")
    assert code == 0 and '{"Hat": 1.0}' in out
    code, out, _ = cli("thin", drawn, "--train", "5", "--to", tmp_path / "few", "--json")
    assert code == 0 and json.loads(out)["splits"]["train"] == 5


def test_old_values_of_library_arguments_work(trained, capsys):
    assert set(ALIASES[ARGUMENT]) == {"recipe", "path", "prior"}
    assert recipe("ladder") == recipe("hierarchical") and "ladder" not in RECIPES
    assert PathSpec("dense") == PathSpec("geodesic") and PathSpec.of(path="dense") == PathSpec("geodesic")
    space = facespace.load(trained)
    assert space.prior("own") is space.prior("model") is space.model.prior
    assert notes(capsys) == [
        "recipe=ladder is now recipe=hierarchical.",
        "path=dense is now path=geodesic.",
        "prior=own is now prior=model.",
    ]


def test_faces64_opens_with_current_names(capsys):
    """Its card, written before the renames, is not rewritten."""
    stored = json.loads((PACKAGED / "faces64/card.json").read_text())
    assert {"latent", "body", "pixels"} < set(stored["model"]) and "only" in stored["recipe"]["train"]
    space = facespace.load("faces64")
    plan = from_dict(Recipe, stored["recipe"])
    assert from_dict(Recipe, space.card["recipe"]) == plan and plan.train.freeze == "encoder"
    assert plan.model == space.model.config and plan.objective.center_weight == 30
    assert space.card["limitations"] == stored["failings"] and "failings" not in space.card
    assert (
        space.card["priors"]["flow"]["nats"]["train"]["model"]
        == stored["priors"]["flow"]["nats"]["train"]["own"]
    )
    assert space.default_prior == "flow" and "center" in space.card["metrics"]["train"]
    assert stored["failings"][0] in card_text.read("faces64").text()
    for name in (None, SCORER):
        assert {"limitations", "limitations_by_attribute"} < set(read_classifier(name).card)
    assert notes(capsys) == []


def in_old_names(kind: str, values: Mapping) -> dict:
    """The reverse of `rename_nested`."""
    reverse = {alias.name: (old, alias) for old, alias in ALIASES.get(kind, {}).items()}
    kinds, result = INSIDE.get(kind, {}), {}
    for name, value in values.items():
        inside = kinds.get(name, kinds.get("*"))
        if inside and isinstance(value, Mapping):
            value = in_old_names(inside, value)
        old, alias = reverse.get(name, (name, Alias(name)))
        former = {new: before for before, new in alias.values.items()}
        result[old] = former.get(value, value) if isinstance(value, str) else value
    return result


def make_older(run: Path) -> None:
    """Writes the cards, the log and the checkpoint of a run in old names."""
    for name in ("best", "last"):
        card = run / name / "card.json"
        card.write_text(json.dumps(in_old_names("bundle", json.loads(card.read_text()))))
    lines = [
        in_old_names("epoch", json.loads(line)) for line in (run / "metrics.jsonl").read_text().splitlines()
    ]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for name in ("checkpoint.pt", "checkpoint.previous.pt"):
        state = torch.load(run / name, weights_only=True)
        older = in_old_names("Recipe", json.loads(state["identity"]["recipe"]))
        state["identity"]["recipe"] = json.dumps(older | {"summary": "another sentence"}, sort_keys=True)
        for table in ("sums", "counts"):
            state["progress"][table] = in_old_names("terms", state["progress"][table])
        torch.save(state, run / name)


TERMS = (
    *("objective.center_weight=2", "objective.adversarial=0.01", "objective.feature_matching=0.1"),
    *("objective.adversarial_start=0.1", "model.bottleneck=deterministic", "objective.weights={}"),
)


def test_a_run_in_old_names_is_listed_opened_and_resumed(drawn, tmp_path, capsys):
    settings = (*TINY, *TERMS, "train.steps=9")
    with quiet():
        facespace.train("faces64", drawn, tmp_path / "new", settings=settings, trackers=["none"])
        shutil.copytree(tmp_path / "new", tmp_path / "old")
        make_older(tmp_path / "old")
        text = (tmp_path / "old/best/card.json").read_text() + (tmp_path / "old/metrics.jsonl").read_text()
        for word in (
            "looks",
            "pixels",
            "adversary_start",
            "critic",
            "focus",
            "matching",
            '"point"',
            '"only"',
        ):
            assert word in text
        new, old = (dataclasses.asdict(facts) for facts in find_runs(tmp_path))
        assert new | {"name": "old"} == old and "feature_matching × 0.1" in old["objective"]
        assert read_records(tmp_path / "new") == read_records(tmp_path / "old")
        assert bundle.load(tmp_path / "new").card == bundle.load(tmp_path / "old").card
        assert card_text.read(tmp_path / "new").card == card_text.read(tmp_path / "old").card
        longer = (*TINY, *TERMS, "train.steps=14")
        for name in ("new", "old"):
            facespace.train(
                "faces64", drawn, tmp_path / name, settings=longer, trackers=["none"], resume=True
            )
    weights = [bundle.load(tmp_path / name / "last").model.state_dict() for name in ("new", "old")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    last = [read_records(tmp_path / name)[-1].train for name in ("new", "old")]
    assert last[0] == last[1] and {"center", "feature_matching", "discriminator"} < set(last[0])
    assert notes(capsys) == []


def test_resuming_still_refuses_another_recipe(drawn, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "r")
    make_older(tmp_path / "r")
    with quiet(), pytest.raises(TrainingError, match="another recipe"):
        settings = [*TINY, "model.latent=6"]
        facespace.train("demo", drawn, tmp_path / "r", settings=settings, trackers=["none"], resume=True)


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        (
            "bundle",
            {"failings": ["x"], "model": {"latent": 3, "pixels": "l1"}},
            {"limitations": ["x"], "model": {"latent_dim": 3, "likelihood": "l1"}},
        ),
        ("bundle", {"data": {"source": "procedural"}}, {"data": {"source": "synthetic"}}),
        (
            "bundle",
            {"recipe": {"name": "ladder", "train": {"only": "all"}}},
            {"recipe": {"name": "hierarchical", "train": {"freeze": "none"}}},
        ),
        (
            "bundle",
            {"priors": {"flow": {"nats": {"train": {"fitted": 1, "own": 2}}}}},
            {"priors": {"flow": {"nats": {"train": {"fitted": 1, "model": 2}}}}},
        ),
        (
            "bundle",
            {"metrics": {"train": {"critic": 1}, "validation": None}},
            {"metrics": {"train": {"discriminator": 1}, "validation": None}},
        ),
        ("bundle", {"recipe": "damaged", "model": [1]}, {"recipe": "damaged", "model": [1]}),
        ("run", {"recipe": "ladder"}, {"recipe": "hierarchical"}),
        (
            "attribute network",
            {"failings_by_attribute": {"Hat": "x"}},
            {"limitations_by_attribute": {"Hat": "x"}},
        ),
    ],
)
def test_small_cards_in_old_names(kind, old, new):
    assert rename_nested(kind, old) == new and rename_nested(kind, new) == new


def test_an_older_evaluation_has_current_names():
    metrics = {
        "protocol": {"selection": "evenly spaced", "split": "test"},
        "generation": {"fid": 1.0, "real_reference": {"fid": 0.5, "compared": "halves"}},
        "memorisation": {"training_faces": 3, "by_attributes": {"training_faces": 4}},
        "latents": {"active_threshold": 0.01},
        "likelihood": {"pixel_likelihood": "l1"},
        "disentanglement": {"per_factor": {"smile": {"best_latent": 2}}},
    }
    old = in_old_names("evaluation", metrics)
    assert old["generation"]["floor"] == {"fid": 0.5, "of": "halves"} and "chosen" in old["protocol"]
    assert old["memorisation"]["by_attributes"] == {"held_against": 4}
    assert old["disentanglement"]["per_factor"]["smile"] == {"latent": 2}
    assert rename_nested("evaluation", old) == metrics == rename_nested("evaluation", metrics)


def test_facts_of_older_directions_and_classifiers_have_current_names():
    stored = json.loads((PACKAGED / "faces64/card.json").read_text())["directions"]["names"]
    facts = facespace.load("faces64").directions().facts
    for name, old in stored.items():
        assert facts[name]["shots"] == old["pairs"] and "pairs" not in facts[name]
    for figures in read_classifier(None).card["held_out"]["attributes"].values():
        assert {"true_positive_rate", "true_negative_rate"} < set(figures) and "yes_found" not in figures
