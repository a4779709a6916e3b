"""The verb that sends a space to the Hugging Face hub. Every SPACE may be one from there:
hf://USER/NAME@REVISION."""

from pathlib import Path

from facespace.cli.app import Done, verb
from facespace.cli.options import Flag


@verb("facespace push SPACE USER/NAME [--revision BRANCH] [--private] [--site FOLDER] [--force]")
def push(
    space: Path,
    name: str,
    /,
    *,
    revision: str = "main",
    private: Flag = False,
    site: Path | None = None,
    force: Flag = False,
) -> Done:
    """Send a space to the Hugging Face hub, with a model card; or its published site, as a static Space.

    Example: facespace push spaces/celeba ada/celeba-faces --private

    Parameters
    ----------
    space
        The folder of a run or of one trained model (a bundle): its files go to the hub, and samples that its
        decoder makes. Nothing else of the folder does.
    name
        The repository, USER/NAME; it is made where it does not exist. Log in first: hf auth login, or
        HF_TOKEN.
    revision
        The branch to write; it is made where it does not exist.
    private
        Make a new repository private. That of an adapted space, which shows people, always is.
    site
        The folder of a published site (index.html), which is sent in place of the space, as a static Space.
        Its terms of use are those of SPACE.
    force
        Write into a repository that holds something else too. Its other files stay.
    """
    from facespace.hub.push import push as send

    made = send(space, name, revision=revision, private=private, site=site, force=force)
    seen = "you and those you let in" if made.private else "everybody"
    lines = [f"{made.page}, commit {made.commit}, for {seen} to see."]
    if made.address:
        lines.append(f"It opens anywhere: facespace sample {made.address}")
    return Done(made._asdict(), "\n".join(lines))
