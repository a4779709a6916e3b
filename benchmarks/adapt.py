"""What adapting a space to photographs is worth, on faces that the base has not seen.

    python benchmarks/adapt.py person CELEBA [--people 8] [--identity ARCFACE.onnx] [--to FOLDER]
    python benchmarks/adapt.py set FOLDER [--count 80] [--others 20] [--against SET] [--minutes 5] [--to FOLDER]
    python benchmarks/adapt.py drawings FOLDER [--count 80] [--others 20] [--to FOLDER]

`person` takes people of CelebA's test split (the folder with img_align_celeba and the tables) who have five pictures or more,
adapts a space to four of each, and prints a row for each and their mean: identity (cosine of an ArcFace network that teaches
nothing; FACESPACE_IDENTITY or --identity) of reconstructions by the base, after inversion, and tuned; of the fifth picture; of two
real pictures; the change of the base's new faces (LPIPS with FACESPACE_LPIPS); and how often the second attribute classifier finds a
smile and glasses that were put on, with the identity to the photograph. `set` adapts to the first --count photographs of a
folder, and measures the --others next ones; --against is a prepared set whose faces a classifier tells from the folder's: the share of
64 new faces that it takes for the folder's. `drawings` does the same with pencil drawings made from the photographs. --ablations adds rows
for adaptations without one of their parts. --to keeps pictures. Nothing is written beside."""

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter, ImageOps

import facespace
from facespace.adaptation.adapter import Adapter
from facespace.adaptation.plan import AdaptPlan, plan_for
from facespace.adaptation.set_prior import fit_set_priors
from facespace.core.errors import ImageError
from facespace.image.photos import has_image_ending
from facespace.image.pixels import squared_error
from facespace.image.sheets import comparison, sheet
from facespace.perception.arcface import IdentityNetwork, open_arcface
from facespace.perception.attributes import load_classifier
from facespace.perception.lpips import Distance, is_available, open_lpips
from facespace.perception.store import SCORER
from facespace.space.face_space import FaceSpace

TUNED = 4  # pictures of a person; the next one is held out
NEW = 64  # new faces
EDITS = {"Smiling": ("1g", "on"), "Eyeglasses": ("1g", "on")}
WITHOUT = {  # ablations: what is left out -> changes of the plan
    "nothing": {},
    "tuning (inversion alone)": {"tuning_steps": 0},
    "locality": {"locality": 0.0},
    "the perceptual term": {"perceptual": 0.0},
    "the encoder": {"tune_encoder": False},
}


class Judges:
    """What measures: networks that nothing here learns from."""

    def __init__(self, space: FaceSpace, identity: Path | None) -> None:
        network = open_arcface(space.template, identity)
        if network is None or not is_available():
            raise SystemExit("Name an ArcFace network (--identity) and LPIPS weights (FACESPACE_LPIPS).")
        self.identity: IdentityNetwork = network
        self.lpips: Distance = open_lpips()
        self.scorer = load_classifier(SCORER)

    def alike(self, a: np.ndarray, b: np.ndarray) -> float:
        """Mean cosine of faces and others."""
        return float((self.identity(a) * self.identity(b)).sum(1).mean())

    def differ(self, a: np.ndarray, b: np.ndarray) -> float:
        """Mean LPIPS."""
        return float(self.lpips(a, b).mean())

    def sees(self, name: str, faces: np.ndarray) -> float:
        """The share of faces in which an attribute is found."""
        return float((self.scorer.probabilities(faces)[:, self.scorer.names.index(name)] > 0.5).mean())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("person", "set", "drawings"))
    parser.add_argument("photos", type=Path)
    parser.add_argument("--space", type=Path)
    parser.add_argument("--identity", type=Path)
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--count", type=int, default=80)
    parser.add_argument("--others", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--ablations", action="store_true")
    parser.add_argument("--to", type=Path)
    asked = parser.parse_args()
    space = facespace.load(asked.space)
    judges = Judges(space, asked.identity)
    if asked.to:
        asked.to.mkdir(parents=True, exist_ok=True)
    if asked.what == "person":
        persons(space, judges, asked)
    else:
        a_set(space, judges, asked)


def persons(space: FaceSpace, judges: Judges, asked: argparse.Namespace) -> None:
    """A table of people for each ablation."""
    names = WITHOUT if asked.ablations else ["nothing"]
    for without in names:
        print(f"\nwithout {without}\n")
        print(
            "| person | base | inverted | tuned | tuned, encoded | held out: base | tuned | two real | "
            "new faces changed, LPIPS | s | smile +1 gap: seen | identity | on: seen | identity | "
            "glasses +1 gap: seen | identity | on: seen | identity |"
        )
        print("|" + "---|" * 18)
        rows = []
        for person, faces in people(asked.photos, space, asked.people):
            plan = replace(plan_for(TUNED), **WITHOUT[without])
            rows.append(a_person(space, judges, faces, plan, asked.to and asked.to / f"{person}.png"))
            print(f"| {person} | " + " | ".join(f"{value:.3f}" for value in rows[-1]) + " |", flush=True)
        print("| mean | " + " | ".join(f"{value:.3f}" for value in np.mean(rows, 0)) + " |", flush=True)


def people(root: Path, space: FaceSpace, count: int) -> Iterator[tuple[str, np.ndarray]]:
    """People of CelebA's test split with enough pictures: their number and their faces."""
    test = set()
    for line in (root / "list_eval_partition.txt").read_text().splitlines():
        name, _, split = line.partition(" ")
        if split.strip() == "2":
            test.add(name)
    pictures: dict[str, list[str]] = {}
    for line in (root / "identity_CelebA.txt").read_text().splitlines():
        name, _, person = line.partition(" ")
        if name in test:
            pictures.setdefault(person.strip(), []).append(name)
    found = sorted((person for person, names in pictures.items() if len(names) > TUNED), key=int)
    for person in found[:count]:
        names = sorted(pictures[person])[: TUNED + 1]
        yield person, space.fit([Image.open(root / "img_align_celeba" / name) for name in names])


def a_person(
    space: FaceSpace, judges: Judges, faces: np.ndarray, plan: AdaptPlan, to: Path | None
) -> list[float]:
    """The figures of one person, in the order of the table."""
    own, other = faces[:TUNED], faces[TUNED:]
    start = time.perf_counter()
    adapter = Adapter(space, own, plan)
    adapter.invert()
    assert adapter.pivots is not None
    inverted = space.decode(adapter.pivots.numpy())
    adapter.tune()
    seconds = time.perf_counter() - start
    tuned, z = adapter.result()
    shown = tuned.decode(z)
    vectors = judges.identity(faces)
    cosines = (vectors @ vectors.T)[np.triu_indices(len(faces), 1)]
    latents = space.sample_latents_batched(NEW, seed=1)
    row = [judges.alike(own, space.reconstruct(own)), judges.alike(own, inverted), judges.alike(own, shown)]
    row += [judges.alike(own, tuned.reconstruct(own))]
    row += [judges.alike(other, space.reconstruct(other)), judges.alike(other, tuned.reconstruct(other))]
    row += [float(cosines.mean()), judges.differ(space.decode(latents), tuned.decode(latents)), seconds]
    states = [("photograph", own), ("base", space.reconstruct(own)), ("tuned", shown)]
    guide = load_classifier()
    for name, strengths in EDITS.items():
        for strength in strengths:
            classifier = guide if strength == "on" else None
            edited = tuned.decode(tuned.edit(z, {name: strength}, classifier=classifier))
            row += [judges.sees(name, edited), judges.alike(own, edited)]
            states.append((f"{name} {strength}", edited))
    if to:
        comparison(states, scale=2).save(to)
    return row


def a_set(space: FaceSpace, judges: Judges, asked: argparse.Namespace) -> None:
    """A row for each ablation, and pictures of the whole adaptation."""
    faces = photographs(asked.photos, space, asked.count + asked.others, asked.what == "drawings")
    own, others = faces[: asked.count], faces[asked.count :]
    print(f"\n{len(own)} faces, {len(others)} held out: {asked.what}\n")
    print(
        "| without | tuned: MSE | LPIPS | identity | held out: MSE | LPIPS | identity | new faces of the base, "
        "LPIPS | steps | s | new faces taken for the set's |"
    )
    print("|" + "---|" * 11)
    before = [space.reconstruct(own), space.reconstruct(others)]
    row = figures(judges, own, before[0]) + figures(judges, others, before[1])
    share = closer(space.sample(NEW, seed=3), own, asked.against)
    print(
        "| everything (the base) | "
        + " | ".join(f"{value:.4f}" for value in row)
        + f" | – | – | – | {share} |"
    )
    for without in WITHOUT if asked.ablations else ["nothing"]:
        plan = replace(plan_for(len(own), asked.minutes), **WITHOUT[without])
        start = time.perf_counter()
        adapter = Adapter(space, own, plan)
        adapter.invert()
        adapter.tune()
        seconds = time.perf_counter() - start
        tuned, z = adapter.result()
        prior = fit_set_priors(space, z)[-1]
        new = tuned.decode(draw(prior.prior, NEW))
        latents = space.sample_latents_batched(NEW, seed=1)
        after = [tuned.decode(z), tuned.reconstruct(others)]
        row = figures(judges, own, after[0]) + figures(judges, others, after[1])
        row += [judges.differ(space.decode(latents), tuned.decode(latents)), adapter.tuner.step, seconds]
        share = closer(new, own, asked.against)
        text = " | ".join(f"{value:.4g}" for value in row)
        print(f"| {without} | {text} | {share} |", flush=True)
        if asked.to:
            name = without.split(" ")[-1]
            states = [("photograph", others), ("base", before[1]), ("tuned", after[1])]
            comparison(states, scale=2).save(asked.to / f"{asked.what}-held-out-{name}.png")
            states = [("photograph", own[:16]), ("base", before[0][:16]), ("tuned", after[0][:16])]
            comparison(states, scale=2).save(asked.to / f"{asked.what}-tuned-{name}.png")
            sheet(new, 8, scale=2).save(asked.to / f"{asked.what}-new-{name}.png")


def draw(prior, count: int) -> np.ndarray:
    """Latents of a prior, float32."""
    import torch

    return prior.sample(count, generator=torch.Generator().manual_seed(0)).numpy()


def figures(judges: Judges, faces: np.ndarray, shown: np.ndarray) -> list[float]:
    """MSE, LPIPS and identity."""
    mse = float(squared_error(faces, shown).mean())
    return [mse, judges.differ(faces, shown), judges.alike(faces, shown)]


def closer(new: np.ndarray, own: np.ndarray, against: Path | None) -> str:
    """The share of new faces that a logistic regression on attribute features takes for the set's rather than for
    those of the prepared set `against`."""
    if against is None:
        return "–"
    from sklearn.linear_model import LogisticRegression

    from facespace.data.faces import FaceSet

    features = load_classifier(SCORER)
    other = FaceSet(against).images[: 5 * len(own)]
    x = np.concatenate([features(own), features(other)])
    y = np.repeat([1, 0], [len(own), len(other)])
    found = LogisticRegression(C=0.05, class_weight="balanced", max_iter=2_000).fit(x, y)
    return f"{(found.predict_proba(features(new))[:, 1] > 0.5).mean():.2f}"


def photographs(folder: Path, space: FaceSpace, count: int, drawn: bool) -> np.ndarray:
    """The first photographs of a folder in which a face is found, as the space takes them."""
    found: list[np.ndarray] = []
    for file in sorted(path for path in folder.rglob("*") if has_image_ending(path)):
        try:
            photo = space.read_photos([file], "yes")[0]
        except ImageError:
            continue
        found.append(space.fit(pencil(photo) if drawn else photo)[0])
        if len(found) == count:
            break
    return np.stack(found)


def pencil(photo: Image.Image) -> Image.Image:
    """A pencil drawing: gray divided by its blurred self, with darker lines."""
    gray = np.asarray(ImageOps.grayscale(photo), np.float32)
    blurred = np.asarray(ImageOps.grayscale(photo).filter(ImageFilter.GaussianBlur(6)), np.float32)
    lines = np.clip(gray / np.maximum(blurred, 1), 0, 1) ** 4
    shade = 0.75 + 0.25 * gray / 255
    return Image.fromarray((255 * lines * shade).astype(np.uint8)).convert("RGB")


if __name__ == "__main__":
    main()
