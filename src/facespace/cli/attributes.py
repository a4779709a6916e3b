"""Verbs for attributes that a network reads off faces: train-attributes makes such a network, label gives a set its
guesses."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from facespace.cli.app import Done, Flag, verb

With = Annotated[Path | None, Parameter(name="--with")]


@verb("facespace train-attributes --data SET --to NET [OPTIONS]")
def train_attributes(
    *,
    data: Path,
    to: Path,
    attributes: str | None = None,
    set: Annotated[tuple[str, ...], Parameter(name="--set", negative="")] = (),
    device: str = "auto",
    seed: int = 0,
    resume: Flag = False,
    force: Flag = False,
) -> Done:
    """Train a network that sees a set's attributes, for facespace label.

    Example: facespace train-attributes --data sets/celeba --to nets/celeba --set epochs=10

    Parameters
    ----------
    data
        A prepared set with attributes, and with validation faces to calibrate the network on.
    to
        The folder to make: model.safetensors and card.json, which says how well each attribute is seen.
    attributes
        The attributes to learn, NAME,NAME; all unless said.
    set
        Change one field of the plan, FIELD=VALUE, such as epochs=10 or network.widths=32,64,128; may be repeated.
    device
        auto, cpu, cuda or mps.
    seed
        Of the weights, the order of faces and their variations.
    resume
        Go on with an interrupted training to the same folder.
    force
        Replace an attribute network that is already there.
    """
    from facespace.cli.data import words
    from facespace.training import attribute_classifier as training
    from facespace.training.attribute_card import table

    card = training.train_attributes(
        data,
        to,
        attributes=words(attributes) or (),
        settings=set,
        device=device,
        seed=seed,
        resume=resume,
        force=force,
    )
    text = [
        table(card["held_out"]),
        f"The network is in {to}. Next: facespace label SET --with {to} --to NEWSET",
    ]
    facts = {
        "to": str(to),
        **{key: card[key] for key in ("fingerprint", "parameters", "training", "held_out")},
    }
    return Done(facts, "\n".join(text))


@verb("facespace label SET [--with NET] [--to NEWSET] [OPTIONS]")
def label(
    data: Path,
    /,
    *,
    net: With = None,
    to: Path | None = None,
    attributes: str | None = None,
    keep_known: Flag = False,
    margin: float = 0.0,
    force: Flag = False,
) -> Done:
    """Make a set of the same faces with the attributes that a network sees.

    Example: facespace label sets/mine --to sets/mine-labelled --attributes Smiling,Eyeglasses --margin 0.5

    Parameters
    ----------
    data
        A prepared set.
    net
        A folder that facespace train-attributes made; without it the network that comes with facespace.
    to
        The folder to make; SET-labelled beside the set unless said.
    attributes
        The attributes to take, NAME,NAME; all unless said.
    keep_known
        Keep the attributes that the set has, and only add what is unknown.
    margin
        Values are 2p - 1 of a probability p, from -1 to 1; those nearer to 0 than this are left unknown.
    force
        Replace a prepared set that is already there.
    """
    from facespace.cli.data import words
    from facespace.evaluation import labelling

    target = to or data.with_name(f"{data.resolve().name}-labelled")
    names = words(attributes) or ()
    faces = labelling.label(data, target, net, names, keep_known=keep_known, margin=margin, force=force)
    told = faces.card["labelled"]
    unknown = labelling.unknown_share(faces)
    facts = {
        "set": str(faces.root),
        "faces": len(faces),
        "attributes": len(faces.attribute_names),
        "unknown": unknown,
    }
    lines = [
        f"{len(faces):,} faces with {len(faces.attribute_names)} attributes in {faces.root}, {len(told['attributes'])} of "
        f"them seen by the attribute network {told['network'][:16]}; {unknown:.1%} of all values are unknown.",
        f"How well it sees each is in its card; labels are for: {faces.card['terms']}",
    ]
    return Done({**facts, "labelled": told, "terms": faces.card["terms"]}, "\n".join(lines))
