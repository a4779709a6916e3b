"""What the subfolders of a tree of photographs mean: splits, labels, people, or nothing. Reads names only."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

MOST_LABELS = 40  # more subfolders than this are taken as people, one folder each
SHOWN = 6  # subfolders named in a note
# Names of splits in Hugging Face's imagefolder, torchvision's ImageFolder and elsewhere.
SPLITS = {
    **dict.fromkeys(("train", "training", "train_set", "trainset"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "development", "validate"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation", "test_set", "testset"), "test"),
}
# FFHQ's 00000, 01000 …; parts of archives. Not s1, person1: those are people.
PIECES = "part|batch|shard|chunk|folder|dir|images?|img|data|set|disc|vol|volume"
NUMBERED = re.compile(rf"({PIECES})?[ _\-.]*\d+", re.I)

Parts = tuple[str, ...]  # the folders of a file below the root


class Subfolders(NamedTuple):
    """The meaning of the subfolders of some files: for each file a split or None, and a label or person, ''
    without one; and notes."""

    splits: list[str | None]
    labels: list[str]
    names: tuple[str, ...]  # of labels or people that hold pictures
    identities: bool  # each is a person rather than an attribute
    notes: tuple[str, ...]


def understand(folders: Sequence[Parts], pictures: Sequence[bool]) -> Subfolders:
    """The meaning of the folders of each file; those without a picture name nothing.

    Folders train, val and test (or train and one of these) are splits, and what lies below them is the
    label. A part of the path that all files share, and one that is a number for all, is neither. More than
    40 different labels are people. One single subfolder is no label."""
    notes: list[str] = []
    rest = _without_common(folders, pictures)
    splits, rest = _take_splits(rest, pictures)
    if any(splits):
        counts = Counter(filter(None, splits))
        notes.append("splits from folders: " + ", ".join(f"{name} ({counts[name]})" for name in counts))
    rest, numbered = _without_numbered(rest, pictures)
    if numbered:
        notes.append(f"{numbered} numbered folders taken as neither people nor labels")
    joined = {parts: "/".join(parts) for parts in set(rest)}  # files of one folder share their label
    labels = [joined[parts] for parts in rest]
    names = tuple(sorted({label for label, good in zip(labels, pictures) if good and label}))
    if len(names) == 1:
        notes.append(f"the single subfolder {names[0]} is no label")
        return Subfolders(splits, [""] * len(labels), (), False, tuple(notes))
    identities = len(names) > MOST_LABELS
    if names:
        notes.append(_note(names, labels, identities))
    return Subfolders(splits, labels, names, identities, tuple(notes))


def _note(names: Sequence[str], labels: Sequence[str], identities: bool) -> str:
    sizes = Counter(labels)
    shown = [f"{name} ({sizes[name]})" for name in names[:SHOWN]]
    if len(names) > SHOWN:
        shown.append("…")
    return f"{len(names)} subfolders taken as {'people' if identities else 'labels'}: {', '.join(shown)}"


def _names_at(folders: Sequence[Parts], pictures: Sequence[bool], depth: int) -> list[str]:
    """The names of the folders of pictures at a depth, '' for those that lie higher."""
    names = []
    for parts, good in zip(folders, pictures):
        if good:
            names.append(parts[depth] if len(parts) > depth else "")
    return names


def _depths(folders: Sequence[Parts]) -> range:
    return range(max(map(len, folders), default=0))


def _without(folders: Sequence[Parts], depths: set[int]) -> list[Parts]:
    """The folders without those at some depths; equal ones are one object, since there are many."""
    known: dict[Parts, Parts] = {}
    kept = []
    for parts in folders:
        rest = known.get(parts)
        if rest is None:
            rest = known[parts] = tuple(name for depth, name in enumerate(parts) if depth not in depths)
        kept.append(rest)
    return kept


def _without_common(folders: Sequence[Parts], pictures: Sequence[bool]) -> list[Parts]:
    """The folders without those around everything."""
    common: set[int] = set()
    for depth in _depths(folders):
        names = set(_names_at(folders, pictures, depth))
        if len(names) != 1 or "" in names:
            break
        common.add(depth)
    return _without(folders, common)


def _take_splits(folders: Sequence[Parts], pictures: Sequence[bool]) -> tuple[list[str | None], list[Parts]]:
    """The split of each file by its folders, and the other folders."""
    for depth in _depths(folders):
        found = {SPLITS.get(name.casefold().strip()) for name in _names_at(folders, pictures, depth)}
        if "train" in found and len(found - {None}) > 1:
            splits, rest = [], []
            known: dict[Parts, Parts] = {}
            for parts in folders:
                name = parts[depth] if len(parts) > depth else ""
                split = SPLITS.get(name.casefold().strip())
                splits.append(split)
                without = known.setdefault(parts, parts[:depth] + parts[depth + 1 :] if split else parts)
                rest.append(without)
            return splits, rest
    return [None] * len(folders), list(folders)


def _without_numbered(folders: Sequence[Parts], pictures: Sequence[bool]) -> tuple[list[Parts], int]:
    """The folders without those that are numbers for all files, and how many different ones there were."""
    numbered: set[int] = set()
    count = 0
    for depth in _depths(folders):
        names = set(_names_at(folders, pictures, depth)) - {""}
        if names and all(map(NUMBERED.fullmatch, names)):
            numbered.add(depth)
            count += len(names)
    return _without(folders, numbered), count
