"""Edits of latents: along directions while others stay, to a level, and closed-loop towards what a judge of the decoded
faces sees. Latents in and out; the decoder and the judge come in as one function."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from facespace.core.errors import UsageError, choose
from facespace.latent.directions import Directions

LEAST = 0.05  # of an edit's length that locks must leave; below it they forbid the edit
CLEARLY = 1.0  # logits past the border at which an attribute counts as on or off: a probability of 0.73
# Of the closed loop. Weights are against 1 for a squared logit that the goal lacks.
STEPS, RATE = 40, 0.1
HOLDING = 0.2  # of a squared logit of what is held
NEARNESS, LIKENESS = (
    0.03,
    0.1,
)  # of a squared standard deviation moved, of the squared change of all pixels in [0, 1]
TRIED = (
    0.5,
    1.0,
    1.5,
    2.0,
    3.0,
    4.0,
    6.0,
)  # strengths along a known direction, of which the first that is seen is a start


def move(
    z: np.ndarray,
    directions: Directions,
    strengths: Mapping[str, float | np.ndarray],
    lock: Sequence[str] = (),
) -> np.ndarray:
    """Latents (N, D) moved along directions by strengths in standard deviations, one number or (N,) each, with the scores
    of the locked attributes kept: float32 (N, D).

    The move is the one nearest to the asked one (least squares in whitened space) that no locked score sees, at the
    length of the asked one. Raises UsageError for unknown names, a lock on what is edited, or locks that leave nothing."""
    check_locks(directions, strengths, lock)
    z = np.atleast_2d(np.asarray(z, np.float64))
    asked = np.zeros_like(z)
    for name, strength in strengths.items():
        asked += np.broadcast_to(strength, len(z))[:, None] * directions.units[directions.place(name)]
    kept = hold(directions, asked, lock)
    return (z + kept @ directions.whitening.root).astype(np.float32)


def hold(directions: Directions, asked: np.ndarray, lock: Sequence[str]) -> np.ndarray:
    """Moves (N, D) in whitened space without what locked probes would see of them, at their own length."""
    if not lock:
        return asked
    seen = directions.probes[[directions.place(name) for name in lock]]  # (L, D)
    left = asked - asked @ np.linalg.pinv(seen) @ seen
    before, after = (np.linalg.norm(moves, axis=1, keepdims=True) for moves in (asked, left))
    if (after < LEAST * before).any():
        raise UsageError(
            f"Locking {', '.join(lock)} leaves nothing of this edit: what it changes is what they hold. Lock fewer attributes."
        )
    return left * np.divide(before, after, out=np.ones_like(before), where=after > 0)


def keep_scores(z: np.ndarray, directions: Directions, lock: Sequence[str], like: np.ndarray) -> np.ndarray:
    """Latents (N, D) moved as little as possible (least squares in whitened space) so that their scores of the locked
    attributes are those of one latent `like` (D,): float32 (N, D). Keeps an attribute through a morph."""
    places = [directions.place(name) for name in lock]
    lacking = (directions.scores(like) - directions.scores(z))[:, places]  # (N, L)
    moved = lacking @ np.linalg.pinv(directions.probes[places]).T  # (N, D) in whitened space
    return (z + moved @ directions.whitening.root).astype(np.float32)


def to_level(
    z: np.ndarray, directions: Directions, name: str, level: float, lock: Sequence[str] = ()
) -> np.ndarray:
    """The strength (N,) at which each latent (N, D) reaches a score of one attribute, where the locks hold. Raises
    UsageError where this direction, so locked, does not change the score."""
    place = directions.place(name)
    gain = float(hold(directions, directions.units[place][None], lock)[0] @ directions.probes[place])
    if abs(gain) < LEAST:
        raise UsageError(
            f"With {', '.join(lock)} locked, {name} cannot be changed along its direction. Lock fewer."
        )
    return (level - directions.scores(z)[:, place]) / gain


class ImageJudge(Protocol):
    """What sees attributes in images: an attribute network."""

    names: tuple[str, ...]

    def see(self, image: Tensor) -> Tensor:
        """Images (N, C, H, W) in [0, 1] to calibrated logits (N, A), with gradients: above 0 an attribute is rather there
        than not."""
        ...


class Judge(NamedTuple):
    """The same for a space. `image` decodes latents (N, D) to (N, C, H, W) in [0, 1]; `see` gives logits (N, A) of these."""

    names: Sequence[str]
    image: Callable[[Tensor], Tensor]
    see: Callable[[Tensor], Tensor]


def reach(
    z: np.ndarray,
    judge: Judge,
    goals: Mapping[str, bool],
    lock: Sequence[str],
    root: np.ndarray,
    known: Directions | None = None,
    steps: int = STEPS,
    clearly: float = CLEARLY,
) -> np.ndarray:
    """Near latents (N, D) whose faces the judge sees to have (True) or to lack each goal, while what it sees of the locked
    attributes stays: float32 (N, D). A face in which a goal is seen already is not moved for it.

    Found by `steps` of Adam for each face by itself, on squared logits (goals that are not reached, locks that moved), the
    squared distance in standard deviations (`root` (D, D), as Whitening has it) and the squared change of the picture,
    which keeps hair and background where they are. Starts at the first strength along a known direction that the judge
    sees: towards what few faces have, such as glasses, gradients alone lead astray."""
    for name in (*goals, *lock):
        choose(dict.fromkeys(judge.names), name, "attribute of the judge")
    _not_both(goals, lock)
    unit_root = torch.from_numpy(root).float()
    start = torch.from_numpy(np.asarray(z, np.float32))
    wanted = [list(judge.names).index(name) for name in goals]
    sign = torch.tensor([1.0 if goals[name] else -1.0 for name in goals])
    held = [list(judge.names).index(name) for name in lock]
    with torch.no_grad():
        before = judge.image(start)
        seen_before = judge.see(before)[:, held]
        moved = _first_seen(start, judge, goals, unit_root, known, clearly)  # (N, D) in standard deviations
    moved.requires_grad_()
    optimizer = torch.optim.Adam([moved], RATE)
    for _ in range(steps):
        image = judge.image(start + moved @ unit_root)
        seen = judge.see(image)
        lacking = torch.relu(clearly - sign * seen[:, wanted]).square().sum(1)
        astray = (seen[:, held] - seen_before).square().sum(1)
        changed = (image - before).square().flatten(1).sum(1)
        loss = lacking + HOLDING * astray + NEARNESS * moved.square().sum(1) + LIKENESS * changed  # (N,)
        optimizer.zero_grad()
        loss.sum().backward()
        optimizer.step()
    return (start + moved.detach() @ unit_root).numpy()


def _first_seen(
    start: Tensor,
    judge: Judge,
    goals: Mapping[str, bool],
    root: Tensor,
    known: Directions | None,
    clearly: float,
) -> Tensor:
    """For each face the weakest of TRIED moves along the goals' directions, (N, D) in standard deviations, at which the
    judge sees the goal; the strongest where it sees none, and none for goals without a direction."""
    moved = torch.zeros_like(start)
    for name, on in goals.items():
        if known is None or name not in known.names:
            continue
        sign, column = (1.0 if on else -1.0), list(judge.names).index(name)
        unit = torch.from_numpy(known.units[known.place(name)]).float() * sign
        strength, found = torch.zeros(len(start)), torch.zeros(len(start), dtype=torch.bool)
        for tried in (0.0, *TRIED):
            strength[~found] = tried
            found |= sign * judge.see(judge.image(start + tried * unit @ root))[:, column] >= clearly
            if found.all():
                break
        moved += strength[:, None] * unit
    return moved


def refine(
    z: np.ndarray, goal: Tensor, decode: Callable[[Tensor], Tensor], root: np.ndarray, steps: int
) -> np.ndarray:
    """Latents (N, D) whose images, `decode` (N, D) -> (N, C, H, W), come nearer to a goal (N, C, H, W) in squared error:
    float32 (N, D). The best of `steps` of Adam is kept for each, so that none gets worse."""
    unit_root = torch.from_numpy(root).float()
    start = torch.from_numpy(np.asarray(z, np.float32))
    moved = torch.zeros_like(start, requires_grad=True)
    optimizer = torch.optim.Adam([moved], 0.05)
    best, least = start.clone(), torch.full((len(start),), torch.inf)
    for step in range(steps + 1):
        at = start + moved @ unit_root
        error = (decode(at) - goal).square().flatten(1).sum(1)  # (N,)
        better = error.detach() < least
        best[better], least[better] = at.detach()[better], error.detach()[better]
        if step < steps:
            optimizer.zero_grad()
            error.sum().backward()
            optimizer.step()
    return best.numpy()


def check_locks(directions: Directions, edited: Iterable[str], lock: Sequence[str]) -> None:
    """Raises UsageError for unknown names, and for a lock on what is edited."""
    for name in (*edited, *lock):
        directions.place(name)
    _not_both(edited, lock)


def _not_both(edited: Iterable[str], lock: Sequence[str]) -> None:
    for name in lock:
        if name in edited:
            raise UsageError(f"{name} is both edited and locked. Leave out one of the two.")
