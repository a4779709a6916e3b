"""The page of a space on the hub, README.md: its metadata in the hub's YAML, how the space is used, and its
card; and the terms of its training faces. Opens no model."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facespace.core.cards import Card
from facespace.core.console import quoted
from facespace.core.hub_address import address_of
from facespace.data.sources import SOURCES
from facespace.models import card_text

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

LICENSE = "LICENSE.md"
TASK = "unconditional-image-generation"
TAGS = ("facespace", "faces", "latent-space", "autoencoder", "image-generation")
OWN_FACES = ("folder", "synthetic")  # sources that no one else has
METRICS = ("psnr", "mse", "ssim", "ms-ssim", "lpips", "identity", "fid", "kid")
_LABEL = re.compile(r"[\w-]+")
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")
_SPLIT = re.compile(r"split (\w+)")

USE = """## Use

With facespace installed, and the space fetched once:

```sh
facespace sample hf://{0}{1}
facespace explore hf://{0} --open
```

```python
import facespace

space = facespace.load("hf://{0}")
faces = space.sample(16)
```
"""
PICTURE = "![Faces that the decoder of this space makes]({})\n\n*These people do not exist.*\n"


def model_card(folder: Path, repository: str, page: str, pictures: Sequence[str] = ()) -> str:
    """README.md of the bundle in a folder, for the repository USER/NAME whose address is `page`. `pictures`
    are names of files there, of samples."""
    found = card_text.read(folder)
    title = repository.partition("/")[2]
    parts = [f"---\n{metadata(found.card, title, page, pictures)}---\n"]
    heading, _, sections = found._replace(title=title).markdown().partition("\n## ")
    parts.append(f"{heading.rstrip()}\n")
    parts += [PICTURE.format(name) for name in pictures]
    parts.append(USE.format(repository, _edit(found.card, repository)))
    parts.append(f"## {sections}")
    return "\n".join(parts)


def _edit(card: Card, repository: str) -> str:
    """A line of a command that edits, where the space has directions."""
    names = list((card.get("directions") or {}).get("names") or {})
    if not names:
        return ""
    name = "Smiling" if "Smiling" in names else names[0]
    return f"\nfacespace edit hf://{repository} me.jpg --set {quoted(name)}=2"


def metadata(card: Card, title: str, page: str, pictures: Sequence[str] = ()) -> str:
    """The lines of YAML that the hub reads: licence, library, tags, data sets and figures."""
    from huggingface_hub import ModelCardData

    fields: dict[str, object] = {"library_name": "facespace", "pipeline_tag": TASK, "tags": _tags(card)}
    if terms_of(card):
        fields |= {"license": "other", "license_name": licence_name(card), "license_link": LICENSE}
    else:
        fields["license"] = "unknown"
    if names := [name for name in sources_of(card) if name in SOURCES and name not in OWN_FACES]:
        fields["datasets"] = names
    if pictures:
        fields["thumbnail"] = f"{page}/resolve/main/{pictures[0]}"
    if origin := address_of(str(card.get("origin") or "")):
        fields |= {"base_model": origin.repository, "base_model_relation": "finetune"}
    if results := eval_results(card):
        fields |= {"model_name": title, "eval_results": results}
        fields["metrics"] = list(dict.fromkeys(result.metric_type for result in results))
    return ModelCardData(**fields).to_yaml() + "\n"  # pyright: ignore[reportArgumentType]


def _tags(card: Card) -> list[str]:
    variational = (card["model"] or {}).get("bottleneck") == "gaussian"
    return [*TAGS, "vae"] if variational else [*TAGS]


def sources_of(card: Card) -> list[str]:
    """The sources of the training faces; of a merged set those of its parts, each once."""
    data = card.get("data") or {}
    parts = [str(part.get("source") or "") for part in data.get("parts") or []]
    return [name for name in dict.fromkeys(parts or [str(data.get("source") or "")]) if name]


def terms_of(card: Card) -> str:
    """The terms of use of the training faces, on one line; empty where the card has none."""
    return " ".join(str((card.get("data") or {}).get("terms") or "").split())


def licence_name(card: Card) -> str:
    """The name of the licence in the hub's letters."""
    return "non-commercial-research" if "non-commercial" in terms_of(card).lower() else "terms-of-the-faces"


def licence_text(card: Card) -> str:
    """LICENSE.md: the terms of the faces, which hold for the weights; empty where the card has none."""
    terms = terms_of(card)
    if not terms:
        return ""
    source = ", ".join(sources_of(card)) or "faces"
    return (
        "# Terms of use\n\n"
        f"These weights were trained on faces of this source: {source}. The terms of that source hold for "
        f"them too:\n\n> {terms}\n\n"
        "A model can reproduce the appearance of its training faces. Generated pictures are not photographs; "
        "say so where you publish them.\n"
    )


def eval_results(card: Card) -> "list[EvalResult]":
    """The figures of the card as the hub's model-index; none where it has none."""
    from huggingface_hub import EvalResult

    figures = {str(name): str(value) for name, value in (card.get("figures") or {}).items()}
    measured = figures.get("measured on", "")
    split = _SPLIT.search(measured)
    source = (sources_of(card) or ["faces"])[0]
    results = []
    for label, text in figures.items():
        kind, number = _LABEL.match(label), _NUMBER.match(text)
        if kind is None or number is None or kind[0].lower() not in METRICS:
            continue
        results.append(
            EvalResult(
                task_type=TASK,
                dataset_type=source,
                dataset_name=f"{source}: {measured}" if measured else source,
                dataset_split=split[1] if split else None,
                metric_type=kind[0].lower(),
                metric_value=float(number[0]),
                metric_name=label,
            )
        )
    return results
