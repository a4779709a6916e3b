"""How facespace speaks to the Hugging Face hub: where it is, who asks, and its errors as sentences. What is
sent and fetched is decided elsewhere. huggingface_hub is imported inside functions, when a command names the
hub."""

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from facespace.core.errors import FacespaceError, UsageError
from facespace.core.version import __version__

if TYPE_CHECKING:
    from huggingface_hub import HfApi

TIMEOUT = 15.0  # seconds until the hub answers a question
BUSY = (408, 425, 429)  # answers, besides 5xx, after which another try may succeed
LOGIN = "Log in with `hf auth login`, or set HF_TOKEN to a token of your account."
_SECRET = re.compile(r"hf_\w{6,}|(?<=Bearer )[^\s'\"]+")


class HubError(FacespaceError):
    """The hub refused something, or has not what was asked for."""


class HubUnreachable(HubError):
    """The hub does not answer, or not now; what is in the cache can still be used."""


def endpoint() -> str:
    """The address of the hub: that of HF_ENDPOINT, else huggingface_hub's own. Raises UsageError where it is
    no address."""
    given = os.environ.get("HF_ENDPOINT")
    if given is not None and not _is_address(given):  # of which huggingface_hub's import raises anything
        raise UsageError(
            f"HF_ENDPOINT is {_SECRET.sub('…', given)!r}, which is no address of a hub. Unset it, or set it "
            "to one that starts with https://."
        )
    if given is not None:
        return given.rstrip("/")
    from huggingface_hub import constants

    return constants.ENDPOINT


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port or a host that is none
        return False


def _shown_endpoint() -> str:
    """The address without a user name and a password."""
    parts = urlsplit(endpoint())
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def api(signed: bool = False) -> "HfApi":
    """The client. Its token is the one that huggingface_hub finds: HF_TOKEN, else that of its login. It is
    sent where huggingface_hub may do so unasked, and always where `signed`."""
    from huggingface_hub import HfApi

    token = True if signed else None
    return HfApi(endpoint=endpoint(), token=token, library_name="facespace", library_version=__version__)


def files_of(info: object) -> dict[str, int | None]:
    """The bytes of each file that the hub lists for a repository; None where it does not say."""
    return {file.rfilename: file.size for file in getattr(info, "siblings", None) or ()}


def has_token() -> bool:
    """Whether huggingface_hub finds a token."""
    from huggingface_hub import get_token

    return bool(get_token())


@contextmanager
def speaking(subject: str) -> Iterator[None]:
    """What huggingface_hub raises inside the block becomes a HubError of one sentence about the `subject`, an
    address; HubUnreachable where another try may succeed. No token is in it. Errors of the disk stay."""
    endpoint()
    try:
        yield
    except FacespaceError:
        raise
    except Exception as error:
        cause = error.__cause__ if _is_missing_locally(error) else error
        if isinstance(cause, OSError) and cause.errno is not None and not isinstance(cause, ConnectionError):
            raise
        raise _explained(cause or error, subject) from error


def _is_missing_locally(error: Exception) -> bool:
    """Whether an error says only that nothing is in the cache, and its cause is what the hub answered."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    return isinstance(error, LocalEntryNotFoundError)


def _explained(error: BaseException, subject: str) -> HubError:
    from huggingface_hub import errors

    at = _shown_endpoint()
    if isinstance(error, UnicodeError):  # of a header
        return HubError(f"The token of this machine holds characters that no token has. {LOGIN}")
    if isinstance(error, errors.GatedRepoError):
        return HubError(
            f"{subject} is open to those alone who accept its terms. Accept them at {at}, then: {LOGIN}"
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return HubError(
            f"{subject} is no repository of {at}, or a private one that you may not read. Check the name. "
            f"For a private one: {LOGIN}"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return HubError(f"{subject} is no revision of its repository. Name a branch, tag or commit.")
    if isinstance(error, errors.EntryNotFoundError):
        return HubError(f"{subject} lacks a file that it lists. Try again later.")
    if isinstance(error, errors.OfflineModeIsEnabled):
        return HubUnreachable("HF_HUB_OFFLINE is set, so the hub is not asked.")
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.HfHubHTTPError) and isinstance(status, int):
        return _of_status(status, error, subject)
    transport = errors.HfHubHTTPError.__mro__[1]  # of the HTTP library that this huggingface_hub uses
    if isinstance(error, transport | OSError):
        reason = _reason(error)
        return HubUnreachable(f"The hub at {at} could not be reached ({reason}). Check the network.")
    return HubError(
        f"{at} does not answer as a hub does ({type(error).__name__}: {_reason(error)}). Check HF_ENDPOINT."
    )


def _of_status(status: int, error: Exception, subject: str) -> HubError:
    lines = _without_secrets(str(getattr(error, "server_message", "") or "")).splitlines()
    said = lines[0][:200].rstrip(". ") if lines else ""
    about = f"the hub answered {status}" + (f": {said}" if said else "")
    if status >= 500 or status in BUSY:
        return HubUnreachable(f"{subject}: {about}. Try again later.")
    if status == 401:
        return HubError(f"{subject}: {about}. Your token is not valid, or there is none. {LOGIN}")
    if status == 403:
        return HubError(f"{subject}: {about}. Your token may not do this; one with write access may.")
    if status in (409, 412):
        return HubError(f"{subject}: {about}. It changed meanwhile. Run the command again.")
    if status == 404:
        return HubError(f"{subject}: {about}. Check the name, and HF_ENDPOINT where it is set.")
    return HubError(f"{subject}: {about}.")


def _reason(error: BaseException) -> str:
    lines = _without_secrets(str(error)).strip().splitlines()
    return lines[0][:200].rstrip(".") if lines else type(error).__name__


def _without_secrets(text: str) -> str:
    """A text of others without tokens: a library may quote a header that it could not send."""
    from huggingface_hub import get_token

    with contextlib.suppress(Exception):
        token = get_token()
        text = text.replace(token, "…") if token else text
    return _SECRET.sub("…", text)


@contextmanager
def bars() -> Iterator[None]:
    """huggingface_hub's bars of progress are for terminals; elsewhere they are switched off inside the
    block."""
    from huggingface_hub.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    if sys.stderr.isatty() or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()
