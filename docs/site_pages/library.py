"""The library reference: one page a section of docs/api.md, whose names mkdocstrings describes from their
docstrings; and the public names that have none."""

import inspect
import re
import types
from collections.abc import Iterator

import facespace
from site_pages.repository import ROOT

SECTION = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.M | re.S)
NAME = re.compile(r"^\| `facespace\.(\w+)` \|", re.M)


def sections() -> dict[str, list[str]]:
    """Title of a section of docs/api.md -> the public names in its table."""
    text = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    found = {}
    for title, body in SECTION.findall(text):
        names = NAME.findall(body)
        if names:
            found[title] = names
    return found


def pages() -> dict[str, str]:
    """Path on the site -> Markdown, with a block of mkdocstrings a public name."""
    made = {}
    for title, names in sections().items():
        slug = re.sub(r"\W+", "-", title.lower()).strip("-")
        blocks = [f"# {title}\n\nNames of `facespace`; [the public interface](../api.md) lists all.\n"]
        for name in names:
            if not name.startswith("__"):  # the version is a text, which has no docstring
                blocks.append(f"::: facespace.{name}\n")
        made[f"library/{slug}.md"] = "\n".join(blocks)
    return made


def undocumented() -> list[str]:
    """Public functions, classes and methods without a docstring of their own, as dotted names."""
    missing = []
    for name in facespace.__all__:
        if not name.startswith("__"):
            missing += _undocumented(f"facespace.{name}", getattr(facespace, name))
    return missing


def _undocumented(name: str, thing: object) -> Iterator[str]:
    if not getattr(thing, "__doc__", None):
        yield name
    for key, member in _members(thing):
        yield from _undocumented(f"{name}.{key}", member)


def _members(thing: object) -> Iterator[tuple[str, object]]:
    """The public functions and classes that a module defines, or the public methods of a class, inherited ones too."""
    if isinstance(thing, types.ModuleType):
        yield from _own(thing, thing.__name__)
    elif isinstance(thing, type):
        for parent in thing.__mro__:
            if parent.__module__.startswith("facespace."):
                yield from _own(parent, parent.__module__)


def _own(thing: types.ModuleType | type, module: str) -> Iterator[tuple[str, object]]:
    for key, value in vars(thing).items():
        member = getattr(value, "__func__", value)
        if isinstance(member, property):
            member = member.fget
        described = inspect.isfunction(member) or inspect.isclass(member)
        if described and not key.startswith("_") and member.__module__ == module:
            yield key, member
