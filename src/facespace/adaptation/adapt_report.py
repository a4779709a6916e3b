"""The page of an adapted space: originals, before and after, held-out faces, new faces, edits, what became of
the rest of the space, and in plain words what to expect."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from facespace.adaptation.adapter import Adapter, Tuned
from facespace.adaptation.carried_over import LOST, DirectionCheck
from facespace.adaptation.figures import AdaptFigures, Errors, Pictures
from facespace.adaptation.folder import LAYOUT
from facespace.adaptation.photos import Faces
from facespace.adaptation.plan import SET
from facespace.adaptation.saving import LIKENESS, Outcome
from facespace.core.errors import BundleError, UsageError
from facespace.image.sheets import comparison, sheet
from facespace.models.locations import title_of
from facespace.report.page import Section
from facespace.report.report import GOOD, NOTE, POOR, Finding, Report
from facespace.space.face_space import FaceSpace

SHOWN, NEW, PERSON = 16, 32, 6
EDITS = ({"Smiling": 3.0}, {"Eyeglasses": 3.0}, {"Young": -2.0}, {"Male": 2.0})
FIGURES = {  # name -> label, number format
    "mse": ("mean squared error", ".5f"),
    "lpips": ("LPIPS (AlexNet)", ".3f"),
    "identity": ("identity (ArcFace), cosine", ".2f"),
}


def build_report(outcome: Outcome, saved: FaceSpace, ending: str, commands: Sequence[str]) -> Report:
    """The report of a saved space; `ending` says how tuning ended."""
    adapter, faces, pictures = outcome.adapter, outcome.faces, outcome.pictures
    sections = [
        _photographs(pictures, faces),
        _held_out(pictures, faces),
        _new_faces(saved, len(faces)),
        _edits(saved, outcome.tuned),
        _rest(pictures, outcome.figures),
        _directions(outcome.checks),
        Section("Whose likeness this is", "\n\n".join(LIKENESS)),
        Section("Next", "These commands go on from here.", code="\n".join(commands)),
    ]
    results = {
        "figures": outcome.figures.to_json(),
        "history": adapter.tuner.history,
        "notes": faces.notes,
        "ending": ending,
    }
    return Report(
        LAYOUT,
        "A space adapted to photographs",
        _protocol(adapter, ending),
        results,
        findings(outcome.checks, outcome.figures),
        summary=" ".join([_expectation(len(faces)), *faces.notes]),
        sections=sections,
        seconds=dict(adapter.seconds),
        protocol_text="Before: the base's encoder and decoder. After: the tuned decoder at each "
        "photograph's latent; held-out photographs are encoded by the space.",
    )


def _protocol(adapter: Adapter, ending: str) -> dict[str, object]:
    return {
        "base": f"{title_of(adapter.base.folder)}, {adapter.base.card['fingerprint'][:16]}",
        "faces": len(adapter.faces),
        "held_out": int(adapter.held_out.sum()),
        "inversion_steps": adapter.plan.inversion_steps,
        "tuning_steps": f"{adapter.tuner.step} of {adapter.plan.tuning_steps}, {ending}",
        "seed": adapter.seed,
        "encoder": "tuned too" if adapter.tuner.encodes else "as in the base",
    }


def _expectation(count: int) -> str:
    if count < SET:
        return (
            "Photographs of a person: the space shows these almost as they are, edits keep the person, and "
            "other photographs of the same person come out better than before. New faces are those of the "
            "base; --prior noise-normal draws from the neighbourhood of the photographs."
        )
    return (
        "A set: the space shows its photographs, and draws new faces that resemble the set. Faces outside "
        "the set are shown about as well as before. A few dozen photographs teach style, light and poses; "
        "they do not teach what none of them shows."
    )


def findings(checks: Sequence[DirectionCheck], figures: AdaptFigures) -> list[Finding]:
    """What the figures say."""
    found = []
    before, after = figures.before.mse, figures.after.mse
    kind = GOOD if after < 0.5 * before else POOR
    text = f"The photographs' mean squared error fell from {before:.4f} to {after:.4f}."
    found.append(Finding(kind, text, "" if kind == GOOD else "Give more --minutes."))
    if figures.held_out_before and figures.held_out_after:
        found.append(_held_out_finding(figures.held_out_before, figures.held_out_after))
    change = figures.prior_change
    kind = GOOD if change < 0.03 else POOR
    found.append(Finding(kind, f"Faces of the base's prior changed by {change:.3f} of the range of a pixel."))
    lost = [check.name for check in checks if check.kept is False]
    if lost:
        found.append(
            Finding(NOTE, f"These directions lost at least half of their effect: {', '.join(lost)}.")
        )
    elif checks:
        found.append(
            Finding(GOOD, f"All {len(checks)} directions keep their effect, where it can be judged.")
        )
    return found


def _held_out_finding(before: Errors, after: Errors) -> Finding:
    if before.lpips is not None and after.lpips is not None:
        name, first, last = "lpips", before.lpips, after.lpips
    else:
        name, first, last = "mse", before.mse, after.mse
    words = f"Held-out photographs: {FIGURES[name][0]} {first:.4f} before, {last:.4f} after."
    if last <= first:
        return Finding(GOOD, words)
    return Finding(POOR, words, "More photographs help.")


def _photographs(pictures: Pictures, faces: Faces) -> Section:
    rows = np.flatnonzero(~pictures.held_out)[:SHOWN]
    return Section(
        "Photographs",
        "The photographs, and how the space showed them before and shows them now.",
        [("Original, before, after.", _rows(pictures, faces, rows))],
    )


def _held_out(pictures: Pictures, faces: Faces) -> Section | None:
    rows = np.flatnonzero(pictures.held_out)[:SHOWN]
    if not len(rows):
        return None
    text = "Photographs that the space did not learn from: what it does with others of their kind."
    return Section("Held-out photographs", text, [("Original, before, after.", _rows(pictures, faces, rows))])


def _rows(pictures: Pictures, faces: Faces, rows: np.ndarray) -> Image.Image:
    stacks = [("original", pictures.originals), ("before", pictures.before), ("after", pictures.after)]
    return comparison(
        [(name, stack[rows]) for name, stack in stacks], [faces.names[row] for row in rows], scale=2
    )


def _new_faces(space: FaceSpace, count: int) -> Section:
    kind = space.default_prior
    temperature = space.sampling_settings(kind)["temperature"]
    origin = f"From {space.prior(kind).origin} at temperature {temperature:g} (--prior {kind})."
    new = [(origin, sheet(space.sample(NEW, seed=0, temperature=temperature), 8, scale=2))]
    others = [name for name in space.card.get("priors", {}) if name != kind]
    if count < SET and "noise-normal" in others:
        near = sheet(space.sample(8, seed=0, prior="noise-normal"), 8, scale=2)
        new.append(("From the neighbourhood of the photographs: --prior noise-normal.", near))
    return Section("New faces", "Faces that the space draws. These people do not exist.", new)


def _edits(space: FaceSpace, tuned: Tuned) -> Section | None:
    z = tuned.latents[:PERSON]
    states = [("unedited", space.decode(z))]
    for edit in EDITS:
        try:
            name, strength = next(iter(edit.items()))
            states.append((f"{name} {strength:+g}", space.decode(space.edit(z, edit))))
        except (UsageError, BundleError):
            continue
    if len(states) == 1:
        return None
    return Section(
        "Edits", "The first photographs, edited.", [("Strengths in sd.", comparison(states, scale=2))]
    )


def _rest(pictures: Pictures, figures: AdaptFigures) -> Section:
    text = (
        "Faces of the base's prior, which tuning held: changed by "
        f"{figures.prior_change:.4f} of a pixel's range."
    )
    stacks = [("before", pictures.prior_before[:8]), ("after", pictures.prior_after[:8])]
    pairs = {
        "photographs": (figures.before, figures.after),
        "held-out photographs": (figures.held_out_before, figures.held_out_after),
    }
    rows = [["", "before", "after"]]
    for name, (label, form) in FIGURES.items():
        for where, states in pairs.items():
            values = [getattr(state, name, None) for state in states]
            if None not in values:
                rows.append([f"{label}, {where}", *[f"{value:{form}}" for value in values]])
    return Section("Figures, and the rest of the space", text, [("", comparison(stacks, scale=2))], rows)


def _directions(checks: Sequence[DirectionCheck]) -> Section | None:
    if not checks:
        return None
    text = (
        "Each direction of the base, two standard deviations on the base's new faces: the change of the "
        "attribute classifier's logit in the base and here, or the correlation of the changes of pixels. "
        f"Below {LOST:.0%} of the base's effect a direction is marked as lost; – stands where the base's own "
        "effect is too small."
    )
    rows = [["direction", "base", "here", "keeps its meaning"]]
    for check in checks:
        verdict = {True: "yes", False: "lost", None: "–"}[check.kept]
        rows.append([check.name, f"{check.base:.2f}", f"{check.adapted:.2f}", verdict])
    return Section("Directions", text, table=rows)
