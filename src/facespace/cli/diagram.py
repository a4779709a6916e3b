"""The verb that draws a model's layers and the ideas behind them: diagram."""

from pathlib import Path

from facespace.cli.app import Done, verb


@verb("facespace diagram RECIPE|SPACE|autoencoder|ae-vs-vae --to FILE")
def diagram(what: str, /, *, to: Path) -> Done:
    """Draw a model layer by layer, or the idea of an autoencoder.

    Example: facespace diagram celebamask-conv --to layers.svg

    Parameters
    ----------
    what
        A recipe, a run or a bundle, whose layers are drawn; autoencoder or ae-vs-vae for a drawing of the idea.
    to
        The picture: .svg, or .png of 1,200 pixels across.
    """
    from facespace.diagrams.layer_summary import diagram as draw
    from facespace.diagrams.page import ENDINGS, save
    from facespace.image.grids import check_ending

    check_ending(to, ENDINGS)
    figure, facts = draw(what)
    save(figure, to)
    counted = f" of {facts['parameters']:,} parameters" if "parameters" in facts else ""
    return Done({**facts, "to": str(to)}, f"A diagram of {facts['drawn']}{counted} is in {to}.")
