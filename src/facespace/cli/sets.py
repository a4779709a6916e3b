"""Verbs that make sets from sets: merge, split, balance, subsample."""

from pathlib import Path

from facespace.cli.app import Done, verb
from facespace.cli.options import ForceSet
from facespace.cli.set_text import describe_set


@verb("facespace merge SET SET ... --to SET")
def merge(*sets: Path, to: Path, force: ForceSet = False) -> Done:
    """Make one set of several, with attribute names reconciled.

    Example: facespace merge sets/celeba sets/lfw --to sets/both

    Parameters
    ----------
    sets
        Prepared sets with faces of one size.
    to
        The folder to make.
    """
    from facespace.data import derive

    return _derived(derive.merge(sets, to, force))


@verb("facespace split SET --to SET [OPTIONS]")
def split(
    data: Path,
    /,
    *,
    to: Path,
    train: float = 0.8,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    force: ForceSet = False,
) -> Done:
    """Give the faces of a set new sides: people stay together, and so do copies of a picture.

    Example: facespace split sets/mine --to sets/mine-90 --train 0.9 --validation 0.1 --test 0

    Parameters
    ----------
    data
        A prepared set.
    to
        The folder to make.
    train
        Share of the training side.
    validation
        Share of the validation side.
    test
        Share of the test side.
    seed
        Another seed, another split.
    """
    from facespace.data import derive

    return _derived(
        derive.split(data, to, {"train": train, "validation": validation, "test": test}, seed, force)
    )


@verb("facespace balance SET --on ATTRIBUTE --to SET")
def balance(data: Path, /, *, on: str, to: Path, seed: int = 0, force: ForceSet = False) -> Done:
    """Keep as many faces with an attribute as without it, on every side.

    Example: facespace balance sets/celeba --on Eyeglasses --to sets/glasses

    Parameters
    ----------
    data
        A prepared set.
    on
        The attribute.
    to
        The folder to make.
    seed
        Which faces of the larger group stay.
    """
    from facespace.data import derive

    return _derived(derive.balance(data, on, to, seed, force))


@verb("facespace subsample SET --to SET [OPTIONS]")
def subsample(
    data: Path,
    /,
    *,
    to: Path,
    train: int | None = None,
    validation: int | None = None,
    test: int | None = None,
    force: ForceSet = False,
) -> Done:
    """Keep at most a number of faces of each split, evenly spaced.

    Example: facespace subsample sets/celeba --to sets/celeba-1000 --train 1000

    Parameters
    ----------
    data
        A prepared set.
    to
        The folder to make.
    train
        At most this many training faces.
    validation
        At most this many validation faces.
    test
        At most this many test faces.
    """
    from facespace.data import derive

    most = {"train": train, "validation": validation, "test": test}
    return _derived(
        derive.subsample(data, {side: count for side, count in most.items() if count is not None}, to, force)
    )


def _derived(faces) -> Done:
    facts = {
        "set": faces.place,
        "faces": len(faces),
        "splits": faces.card["splits"],
        "notes": faces.card["notes"],
    }
    return Done(facts | {"attributes": len(faces.attribute_names)}, describe_set(faces.card))
