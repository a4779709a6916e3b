"""The verb that writes spaces as a static site."""

from pathlib import Path

from facespace.cli.app import Done, verb
from facespace.cli.options import Flag, Force
from facespace.core.errors import UsageError


@verb("facespace publish [SPACE ...] --to DIR [--single]")
def publish(
    *spaces: Path,
    to: Path,
    runtime: Path | None = None,
    precision: str | None = None,
    single: Flag = False,
    serve: Flag = False,
    port: int | None = None,
    address: str = "",
    force: Force = False,
) -> Done:
    """Write spaces as a static site, which plays in any browser without a server.

    Example: facespace publish runs/celeba --to site --serve

    Parameters
    ----------
    spaces
        Runs or bundles, to be switched on the page. [default: faces64; faces128 takes
        three to four times as long in a browser]
    to
        The folder to make, for GitHub Pages, a static Space of Hugging Face or any web space; with --single
        the HTML file to make.
    runtime
        A folder with onnxruntime-web 1.30.0, such as node_modules/onnxruntime-web. [default: the one in the
        user's cache, to which it is fetched once]
    precision
        Of the weights: fp32, fp16 or int8. [default: int8 where that changes faces by at most 1 level of 255
        on average, else fp16]
    single
        Write one HTML file, which opens from a disk by a double click, without a network.
    serve
        Show the site at an address of this machine afterwards, until Ctrl-C.
    port
        Of --serve. [default: 8420, or the next free one; 0 is any]
    address
        Where the site will be, https://…, which links to it need for their picture.
    """
    from facespace.core.console import note, quoted
    from facespace.explorer.publishing.publish import publish as run_publish
    from facespace.explorer.publishing.site import folder_sizes
    from facespace.models.locations import require_small_space

    if single and serve:
        raise UsageError("--serve shows a folder; the file that --single writes opens by a double click.")
    if port is not None and not serve:
        raise UsageError("--port is for --serve.")
    chosen = list(spaces) or [require_small_space()]
    sizes = run_publish(chosen, to, runtime, precision, single, force, address)
    folders = folder_sizes(sizes)
    total = sum(sizes.values())
    facts = {"spaces": [str(space) for space in chosen], "to": str(to), "bytes": total, "files": sizes}
    if single:
        return Done(facts, f"{to}: {total / 1e6:.1f} MB. Open it in a browser.")
    parts = ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in folders.items())
    text = f"{to}: {total / 1e6:.1f} MB ({parts})."
    if not serve:
        return Done(facts, f"{text} Look at it: python -m http.server -d {quoted(to)}")
    from facespace.explorer.publishing.serving import serve as run_server

    note(text)
    shown = run_server(to, port, lambda where: note(f"The site is at {where}  (Ctrl-C stops)"))
    return Done({**facts, "address": shown}, "Stopped.")
