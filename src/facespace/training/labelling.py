"""Prepared sets whose attributes are predicted by an attribute classifier. The predictions stay apart from
human labels: the new set's card names the classifier, and the attributes that it predicted."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from facespace.core.attribute_names import check_names
from facespace.core.console import note, progress
from facespace.core.errors import UsageError
from facespace.core.files import check_target
from facespace.core.finished_rows import finished_rows
from facespace.core.locks import writing
from facespace.data import derive
from facespace.data.faces import SMALL_NETWORK_BATCH_SIZE, FaceSet, is_face_set, map_images
from facespace.perception.attributes import AttributeClassifier, load_classifier
from facespace.perception.shared_networks import classifier_files, classify_faces
from facespace.workers.networks import NetworkFiles
from facespace.workers.tasks import Care, crew
from facespace.workers.where import HERE, Workers


def label(
    data: FaceSet | Path | str,
    to: Path | str,
    net: AttributeClassifier | Path | str | None = None,
    attributes: Sequence[str] = (),
    *,
    keep_known: bool = False,
    margin: float = 0.0,
    force: bool = False,
    workers: Workers = HERE,
) -> FaceSet:
    """A prepared set of the same faces with the attributes that the classifier predicts, all or the named
    ones.

    A value is 2p − 1 of the calibrated probability p: from −1 (no) to 1 (yes), unknown where its size is
    below `margin`. They replace the set's attributes; with `keep_known` they stand beside these, and only
    fill what is unknown. `workers` share the work; with a classifier that is no path, this process does it.
    The same call continues after an interruption.

    Raises UsageError for an unknown attribute, a margin outside [0, 1) or a folder with other files."""
    faces = data if isinstance(data, FaceSet) else FaceSet(data)
    with writing(Path(to)):
        check_target(Path(to), "a prepared set", is_face_set, force)
        return _label(faces, net, Path(to), attributes, keep_known, margin, force, workers)


def _label(
    faces: FaceSet,
    net: AttributeClassifier | Path | str | None,
    to: Path,
    attributes: Sequence[str],
    keep_known: bool,
    margin: float,
    force: bool,
    workers: Workers,
) -> FaceSet:
    place = HERE if isinstance(net, AttributeClassifier) else workers
    files = None if isinstance(net, AttributeClassifier) else classifier_files(net)
    net = net if isinstance(net, AttributeClassifier) else load_classifier(net)
    chosen = check_names(attributes, net.names, "The attribute network does not know") or net.names
    if not 0 <= margin < 1:
        raise UsageError(
            "--margin must lie in [0, 1): of values from -1 to 1, those nearer to 0 are unknown; got "
            f"{margin}."
        )
    _note_other_crop(faces, net)
    probabilities = _probabilities(net, files, faces, to, place)
    values = _as_values(probabilities, margin)[:, [net.names.index(name) for name in chosen]]
    names = chosen
    if keep_known:
        names, values = _merged(faces, chosen, values)
    facts = {
        "network": net.fingerprint,
        "network_data": net.card.get("data", {}).get("fingerprint"),
        "network_crop": net.template.crop,
        "attributes": list(chosen),
        "values": "2p - 1 of the calibrated probability p",
        "unknown_within": margin,
        "known_kept": keep_known,
    }
    if keep_known and "labelled" in faces.card:  # what was a guess before stays one
        facts["before"] = faces.card["labelled"]
    terms = "; ".join(dict.fromkeys([faces.card["terms"], f"labels: {net.card['terms']}"]))
    note_text = f"{len(chosen)} attributes are guesses of the attribute network {net.fingerprint[:16]}"
    return derive.relabel(faces, names, values, to, note_text, {"labelled": facts, "terms": terms}, force)


def _merged(faces: FaceSet, chosen: Sequence[str], values: np.ndarray) -> tuple[Sequence[str], np.ndarray]:
    """The set's attributes and the predicted ones: their names, and (N, A) values, predicted where the set's
    are unknown."""
    names, (known, seen) = derive.merge_attribute_names([faces.attribute_names, chosen])
    merged = np.full((len(faces), len(names)), np.nan, np.float32)
    merged[:, seen] = values
    there = ~np.isnan(faces.attributes)
    merged[:, known] = np.where(there, faces.attributes, merged[:, known])
    return names, merged


def _note_other_crop(faces: FaceSet, net: AttributeClassifier) -> None:
    if faces.card["crop"] == net.template.crop:
        return
    note(
        f"{faces.place} has the crop {faces.card['crop']}, and the network learned {net.template.crop}. "
        "Where faces fill much more or less of the picture than there, many answers are wrong; prepare them "
        "with a like cut."
    )


def attribute_values(net: AttributeClassifier, faces: FaceSet, margin: float = 0.0) -> np.ndarray:
    """2p − 1 of every face and attribute, float32 (N, A); NaN where its size is below the margin, or 0."""
    return _as_values(map_images(faces, faces.rows("all"), net.probabilities, "Labelling"), margin)


def _probabilities(
    net: AttributeClassifier, files: NetworkFiles | None, faces: FaceSet, to: Path, workers: Workers
) -> np.ndarray:
    """The probability of every face and attribute, float32 (N, A): computed in parts, by this process or by
    workers, and kept beside the target until it is finished."""
    job = {"network": net.fingerprint, "set": faces.fingerprint, "one_thread": workers.named}
    with finished_rows(to, job, len(faces), len(net.names), SMALL_NETWORK_BATCH_SIZE) as rows:
        with (
            progress(len(faces), "Labelling", "faces", rows.done) as advance,
            crew(workers, Care(fresh=True)) as opened,
        ):
            function = net.probabilities
            if files is not None and not opened.alone:
                function = partial(classify_faces, files)
            for part in opened.map(function, _pixels(faces, rows.done)):
                rows.add(part)
                advance(len(part))
        return np.load(rows.path, allow_pickle=False)


def _pixels(faces: FaceSet, done: int) -> Iterator[np.ndarray]:
    """The faces from number `done` on, in the batches of a small network."""
    for start in range(done, len(faces), SMALL_NETWORK_BATCH_SIZE):
        yield np.asarray(faces.images[start : start + SMALL_NETWORK_BATCH_SIZE])


def _as_values(probabilities: np.ndarray, margin: float) -> np.ndarray:
    """2p − 1, NaN where its size is below the margin, or 0."""
    values = 2 * probabilities - 1
    values[(np.abs(values) < margin) | (values == 0)] = np.nan
    return values


def unknown_share(faces: FaceSet) -> float:
    """Which share of a set's attribute values is unknown."""
    return float(np.isnan(faces.attributes).mean())
