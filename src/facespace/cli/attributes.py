"""Verbs for attribute classifiers: train-attributes trains one, label adds its predictions to a set."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from facespace.cli.app import Done, verb
from facespace.cli.options import ANY_WORKERS, Flag, ForceSet, Settings, WorkersOptions, optional_words
from facespace.cli.outputs import resumable
from facespace.core.addresses import is_address, shown
from facespace.core.console import quoted
from facespace.core.errors import UsageError


@verb("facespace train-attributes --data SET --to NET [OPTIONS]")
def train_attributes(
    *,
    data: Path,
    to: Path,
    attributes: str | None = None,
    set: Settings = (),
    device: str = "auto",
    seed: int = 0,
    resume: Flag = False,
    force: Flag = False,
) -> Done:
    """Train a network that classifies a set's attributes, for facespace label.

    Example: facespace train-attributes --data sets/celeba --to nets/celeba --set epochs=10

    Parameters
    ----------
    data
        A prepared set with attributes, and with validation faces to calibrate the network on.
    to
        The folder to make: model.safetensors and card.json, which has the held-out accuracy of each
        attribute.
    attributes
        The attributes to learn, NAME,NAME. [default: all]
    set
        Change one field of the config, FIELD=VALUE, such as epochs=10 or network.widths=32,64,128; may be
        repeated.
    device
        auto, cpu, cuda or mps.
    seed
        Random seed of the weights, the order of faces and their augmentation.
    resume
        Continue an interrupted training to the same folder.
    force
        Replace an attribute network that is already there.
    """
    from facespace.training import attribute_classifier
    from facespace.training.attribute_card import table

    card = attribute_classifier.train_attributes(
        data,
        to,
        attributes=optional_words(attributes) or (),
        settings=set,
        device=device,
        seed=seed,
        resume=resume,
        force=force,
    )
    facts = {"to": str(to)}
    for key in ("fingerprint", "parameters", "training", "held_out"):
        facts[key] = card[key]
    following = f"The network is in {to}. Next: facespace label SET --classifier {quoted(to)} --to NEWSET"
    return Done(facts, f"{table(card['held_out'])}\n{following}")


@verb("facespace label SET [--classifier NET] [--to NEWSET] [OPTIONS]")
def label(
    data: Path,
    /,
    *,
    net: Annotated[Path | None, Parameter(name="--classifier")] = None,
    to: Path | None = None,
    attributes: str | None = None,
    keep_known: Flag = False,
    margin: float = 0.0,
    workers: WorkersOptions = ANY_WORKERS,
    force: ForceSet = False,
) -> Done:
    """Make a set of the same faces with the attributes that a network predicts.

    Example: facespace label sets/mine --to sets/mine-labelled --attributes Smiling,Eyeglasses --margin 0.5

    Parameters
    ----------
    data
        A prepared set, or the address of one such as s3://BUCKET/SET.
    net
        A folder that facespace train-attributes made. [default: the bundled network]
    to
        The folder to make. [default: SET-labelled beside the set; needed for an address]
    attributes
        The attributes to predict, NAME,NAME. [default: all]
    keep_known
        Keep the attributes of the set, and only add what is unknown.
    margin
        Values are 2p - 1 of a probability p, in [-1, 1]; those nearer to 0 than this are left unknown.
    """
    from facespace.training import labelling

    if to is None and is_address(data):
        raise UsageError(
            f"{shown(data)} is an address: name the labelled set, which is written here, with --to."
        )
    target = to or data.with_name(f"{data.resolve().name}-labelled")
    names = optional_words(attributes) or ()
    with resumable(target):
        faces = labelling.label(
            data,
            target,
            net,
            names,
            keep_known=keep_known,
            margin=margin,
            force=force,
            workers=workers.where,
        )
    labels, terms = faces.card["labelled"], faces.card["terms"]
    unknown, count = labelling.unknown_share(faces), len(faces.attribute_names)
    text = (
        f"{len(faces):,} faces with {count} attributes in {faces.place}, {len(labels['attributes'])} of them "
        f"predicted by the attribute network {labels['network'][:16]}; "
        f"{unknown:.1%} of all values are unknown.\n"
        f"The accuracy of each is in the network's card; labels are for: {terms}"
    )
    facts = {"set": faces.place, "faces": len(faces), "attributes": count, "unknown": unknown}
    return Done({**facts, "labelled": labels, "terms": terms}, text)
