"""The verbs that describe a trained space and hand it on: card, pack, export, diagram."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

from cyclopts import Parameter

from facespace.cli.app import Done, verb
from facespace.cli.options import Force
from facespace.core.errors import UsageError
from facespace.models.locations import place_of

if TYPE_CHECKING:
    from facespace.models.bundle_card import SamplingSettings

ENCODED = 256  # faces whose latents a packed space carries


@verb("facespace card [SPACE] [--to card.md]")
def card(space: Path | None = None, /, *, to: Path | None = None) -> Done:
    """Describe a space: model, data and terms, training, priors, directions.

    Example: facespace card runs/celeba --to card.md

    Parameters
    ----------
    space
        The folder of a run or of one trained model (a bundle).
    to
        A Markdown file to write (.md).
    """
    from facespace.core.files import write_atomically
    from facespace.models import card_text

    if to and to.suffix.lower() != ".md":
        raise UsageError(f"The card is written as Markdown, so its name must end in .md; got {to}.")
    found = card_text.read(space)
    if not to:
        return Done(dict(found.card), found.text())
    with write_atomically(to) as beside:
        beside.write_text(found.markdown(), encoding="utf-8", errors="surrogateescape")
    return Done({**found.card, "to": str(to)}, f"The card of {place_of(found.folder)} is in {to}.")


@verb("facespace pack SPACE --to DIR [--bits 8] [--data SET] [--figures EVALUATION] [--limitation SENTENCE]")
def pack(
    space: Path,
    /,
    *,
    to: Path,
    bits: int = 16,
    data: Path | None = None,
    figures: Path | None = None,
    failing: Annotated[list[str] | None, Parameter(name="--limitation", negative="")] = None,
    temperature: float | None = None,
    guidance: float | None = None,
) -> Done:
    """Write a small copy of a space, with its priors, directions and card.

    Example: facespace pack runs/celeba --to celeba-space --data sets/celeba --figures evaluation

    Parameters
    ----------
    space
        The folder of a run or of one trained model (a bundle).
    to
        The folder to make, a bundle. An older packed one is replaced.
    bits
        Of a weight of the networks: 16, half the size, or 8, a quarter.
    data
        A prepared set: the latents of 256 of its training faces are included, for the explorer's map. No
        pictures are.
    figures
        The folder of an evaluation of this space, whose figures the card includes.
    failing
        A sentence for the card's known limitations; may be repeated.
    temperature
        For the card: what facespace sample and the explorer draw new faces with by default, chosen by looking
        at them. [default: as on the card of SPACE, or 1]
    guidance
        For the card: the guidance of samples with --condition. [default: as on the card of SPACE, or 1]
    """
    from facespace.evaluation.card_figures import additions
    from facespace.formats.bundle_graphs import add_graphs
    from facespace.models import bundle, export
    from facespace.space.face_space import FaceSpace

    export.check(to, bits)
    if not all(sentence.strip() for sentence in failing or []):
        raise UsageError("--limitation takes a sentence for the card; got an empty one.")
    loaded = bundle.load(space)
    before = sum(file.stat().st_size for file in loaded.folder.iterdir())
    about = additions(loaded.card["fingerprint"], figures, failing)
    given = {"temperature": temperature, "guidance": guidance}
    sampling = cast("SamplingSettings", {name: value for name, value in given.items() if value is not None})
    export.with_sampling(loaded.card, sampling)  # before faces are encoded
    latents = FaceSpace(loaded).faces_of(data, "train", ENCODED).encode() if data else None
    export.pack(loaded, to, about, latents, bits, sampling)
    add_graphs(bundle.load(to))
    after = sum(file.stat().st_size for file in to.iterdir())
    facts = {"space": str(loaded.folder), "to": str(to), "bits": bits, "bytes": after, "bytes_before": before}
    size = f"{after / 1e6:.1f} MB, of {before / 1e6:.1f} MB"
    return Done(facts, f"{place_of(loaded.folder)} in {to}: {size}; {bits}-bit weights")


@verb("facespace export [SPACE] --to DIR [--format pytorch|onnx] [--precision fp16]")
def export(
    space: Path | None = None,
    /,
    *,
    to: Path,
    format: str = "pytorch",
    precision: str = "fp32",
    force: Force = False,
) -> Done:
    """Write a space as files that programs without facespace open.

    Example: facespace export runs/celeba --format pytorch --to celeba-pytorch

    Parameters
    ----------
    space
        A run or a bundle. [default: the default space]
    to
        The folder to make. With pytorch it holds model.py, one file that imports torch, numpy and Pillow
        alone, and weights.pt: python model.py writes samples.png. With onnx it holds encoder.onnx,
        decoder.onnx, prior.onnx and space.json, for onnxruntime in any language and for the browser.
    format
        pytorch or onnx.
    precision
        Of the weights in ONNX files: fp32; fp16, half the size; or int8, a quarter. They are computed with as
        fp32.
    """
    from facespace.formats.export import export as run_export

    facts = run_export(space, to, format, force, precision)
    files = ", ".join(f"{name} ({size / 1e6:.2f} MB)" for name, size in facts["bytes"].items())
    lines = [f"{facts['space']} in {to}: {files}"]
    for name, found in facts.get("differences", {}).items():
        largest = f"{found['levels']:.2g} levels" if "levels" in found else f"{found['latents']:.2g}"
        lines.append(f"{name}: differs from the space by at most {largest}; PSNR {found['psnr']:.1f} dB")
    return Done(facts, "\n".join(lines))


@verb("facespace diagram RECIPE|SPACE|autoencoder|ae-vs-vae --to FILE")
def diagram(what: str, /, *, to: Path) -> Done:
    """Draw a model layer by layer, or the idea of an autoencoder.

    Example: facespace diagram celebamask-conv --to layers.svg

    Parameters
    ----------
    what
        A recipe, a run or a bundle, whose layers are drawn; autoencoder or ae-vs-vae for a drawing of the
        idea.
    to
        The picture: .svg, or .png of 1,200 pixels across.
    """
    from facespace.diagrams.layer_summary import diagram as draw
    from facespace.diagrams.page import ENDINGS, save
    from facespace.image.grids import check_ending

    check_ending(to, ENDINGS)
    figure, facts = draw(what)
    save(figure, to)
    size = f" of {facts['parameters']:,} parameters" if "parameters" in facts else ""
    return Done({**facts, "to": str(to)}, f"A diagram of {facts['drawn']}{size} is in {to}.")
