"""A space, or a published site, sent to a repository of the Hugging Face hub in one commit. All is checked
before anything is sent: the name, the content, and what the repository holds already."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from facespace.core import hub
from facespace.core.cards import CARD, WEIGHTS
from facespace.core.console import note
from facespace.core.errors import BundleError, UsageError
from facespace.core.hub_address import MAIN, Address, check_repository, check_revision, is_commit
from facespace.core.reading import LARGEST_JSON, read_bounded, read_json
from facespace.hub.bundle_content import README, Content, held, of_space
from facespace.hub.site_content import INDEX, is_own, of_site
from facespace.models.bundle_card import BUNDLE
from facespace.models.hub_download import BESIDE, KNOWN
from facespace.space.face_space import FaceSpace, load

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    Operations = list[CommitOperationAdd | CommitOperationDelete]

MODEL, SPACE = "model", "space"  # kinds of repositories


class Pushed(NamedTuple):
    """Where it lies: the page's address, the commit, and what `load` takes (of a site None); whether the
    repository is private; its files and their bytes."""

    page: str
    commit: str
    address: str | None
    private: bool
    files: dict[str, int]


@dataclass(frozen=True)
class _Target:
    """A repository, the branch that is written, and what is known of it: whether it exists and is private,
    and of the branch the files, their bytes and the commit."""

    repository: str
    branch: str
    kind: str
    exists: bool = False
    private: bool = False
    files: Mapping[str, int] = field(default_factory=dict)
    commit: str | None = None
    has_branch: bool = False

    @property
    def address(self) -> Address:
        return Address(self.repository, self.branch)

    @property
    def page(self) -> str:
        return page_of(self.repository, self.kind)


def page_of(repository: str, kind: str = MODEL) -> str:
    """The address of a repository's page."""
    return f"{hub.endpoint()}/{'spaces/' if kind == SPACE else ''}{repository}"


def push(
    space: FaceSpace | Path | str | None,
    name: str,
    *,
    revision: str = MAIN,
    private: bool = False,
    site: Path | str | None = None,
    force: bool = False,
) -> Pushed:
    """Sends a space to the hub's repository USER/NAME, which is made where it does not exist; without a space
    the default one. The files of the bundle go there, samples that its decoder makes, the terms of its faces
    and a model card; no other file of its folder. With `site`, the folder of a published site, that becomes
    a static Space instead, and the space only gives the terms.

    `revision` is the branch to write. A new repository is `private` where that is asked for, and always that
    of an adapted space, which is the likeness of people. An older bundle, or an older site, is replaced by a
    new commit, whose files alone are there then; a repository with anything else is refused without `force`,
    and with it keeps its other files. The token is the one that huggingface_hub finds.

    Raises UsageError for a name, a branch or a folder that cannot be; BundleError for a space that is
    damaged, too large or in memory alone; HubError for what the hub refuses. Then nothing was sent."""
    hub.endpoint()
    check_repository(name)
    check_revision(revision)
    if is_commit(revision):
        raise UsageError(f"{revision} is a commit, which cannot be written. Name a branch with --revision.")
    opened = space if isinstance(space, FaceSpace) else load(space)
    with hub.speaking(f"hf://{name}"):
        if not hub.has_token():
            raise hub.HubError(f"There is no token of the hub on this machine. {hub.LOGIN}")
    kind = SPACE if site is not None else MODEL
    if site is not None:
        content = of_site(Path(site), {**opened.card}, name)
    else:
        content = of_space(opened, name, page_of(name, kind))
    target = _inspect(name, revision, kind)
    if private and target.exists and not target.private:
        raise UsageError(
            f"{target.page} exists and is public, which --private does not change. Make it private in its "
            "settings first, or name another one."
        )
    own = _holds_own(target)
    _check_replaceable(target, content, own or force)
    return _send(target, content, private or content.likeness, own)


def _inspect(repository: str, branch: str, kind: str) -> _Target:
    """What the hub has under a name."""
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    address = Address(repository, branch)
    with hub.speaking(str(address)):
        api = hub.api(signed=True)
        asked = {"repo_type": kind, "files_metadata": True, "timeout": hub.TIMEOUT}
        try:
            head = api.repo_info(repository, **asked)
        except RepositoryNotFoundError:
            return _Target(repository, branch, kind)
        has_branch = branch == MAIN
        if not has_branch:
            try:
                head = api.repo_info(repository, revision=branch, **asked)
                has_branch = True
            except RevisionNotFoundError:
                pass
    files = {name: size or 0 for name, size in hub.files_of(head).items()}
    return _Target(repository, branch, kind, True, bool(head.private), files, head.sha, has_branch)


def _check_replaceable(target: _Target, content: Content, may_replace: bool) -> None:
    """Raises UsageError for a repository that holds something else than an older result of `push`, and for
    the likeness of people that everybody would see."""
    if content.likeness and target.exists and not target.private:
        raise UsageError(
            f"{target.page} is public, and this space shows people almost as they are. Make the repository "
            "private in its settings first, or name a new one, which becomes private."
        )
    others = sorted(set(target.files) - set(BESIDE))[:3]
    if may_replace or not others:
        return
    what = "no published site" if target.kind == SPACE else "no facespace bundle"
    raise UsageError(
        f"{target.page} holds {', '.join(others)}, which is {what}. Name another repository, or add --force "
        "to write beside these files."
    )


def _holds_own(target: _Target) -> bool:
    """Whether what is in a repository was made by facespace: a card of a bundle, or a site's tag."""
    needed = {README, INDEX} if target.kind == SPACE else {CARD, WEIGHTS}
    name = README if target.kind == SPACE else CARD
    if not needed <= set(target.files) or target.files[name] > LARGEST_JSON:
        return False
    with hub.speaking(str(target.address)), hub.bars():
        api = hub.api(signed=True)
        path = Path(
            api.hf_hub_download(target.repository, name, revision=target.commit, repo_type=target.kind)
        )
    try:
        if target.kind == SPACE:
            return is_own(read_bounded(path, LARGEST_JSON).decode())
        card = read_json(path)
        return isinstance(card, dict) and card.get("kind") == BUNDLE.kind
    except ValueError:
        return False


def _send(target: _Target, content: Content, private: bool, own: bool) -> Pushed:
    """The one commit, after the repository and the branch were made where they do not exist. Of an older
    result of our `own`, the files that the new one lacks are deleted."""
    sizes = content.sizes
    if content.likeness and not target.exists:
        note("This space shows people almost as they are, so its new repository is private.")
    note(f"Sending {len(sizes)} files, {sum(sizes.values()) / 1e6:,.1f} MB, to {target.page} …")
    with held(content) as files:
        operations = _operations(_stale(target) if own else set(), files, content.texts)
        commit = _commit(target, operations, private)
    address = str(Address(target.repository, commit)) if target.kind == MODEL else None
    return Pushed(target.page, commit, address, target.private if target.exists else private, sizes)


def _commit(target: _Target, operations: "Operations", private: bool) -> str:
    """Makes what does not exist, and the commit; returns its hash."""
    with hub.speaking(str(target.address)), hub.bars():
        api = hub.api(signed=True)
        if not target.exists:
            sdk = "static" if target.kind == SPACE else None
            api.create_repo(target.repository, private=private, repo_type=target.kind, space_sdk=sdk)
            note(f"Made the {'private' if private else 'public'} repository {target.page}, still empty.")
        if target.branch != MAIN and not target.has_branch:
            api.create_branch(target.repository, branch=target.branch, repo_type=target.kind, exist_ok=True)
        made = api.create_commit(
            target.repository,
            operations,
            commit_message=f"{'A site' if target.kind == SPACE else 'A space'} of facespace",
            repo_type=target.kind,
            revision=target.branch,
            parent_commit=target.commit,
        )
        return str(made.oid)


def _operations(stale: set[str], files: Mapping[str, Path], texts: Mapping[str, bytes]) -> "Operations":
    """Adds what is sent, and deletes the `stale` files that are not."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    operations: list[CommitOperationAdd | CommitOperationDelete] = []
    for name in sorted(stale - {*files, *texts}):
        operations.append(CommitOperationDelete(path_in_repo=name))
    try:
        for name, path in files.items():
            operations.append(CommitOperationAdd(path_in_repo=name, path_or_fileobj=str(path)))
    except ValueError as error:
        raise BundleError(f"A file cannot be sent ({error!s:.200}).") from error
    for name, text in texts.items():
        operations.append(CommitOperationAdd(path_in_repo=name, path_or_fileobj=text))
    return operations


def _stale(target: _Target) -> set[str]:
    """The files of an older result in a repository: those of a bundle, or all of a site."""
    if target.kind == MODEL:
        return {
            name for name in target.files if KNOWN.fullmatch(name) or name in ("samples.png", "LICENSE.md")
        }
    return {name for name in target.files if name != ".gitattributes"}
