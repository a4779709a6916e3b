"""Whether a model in training has collapsed: every face is decoded to the same picture, the mean face."""

from torch import Tensor

from facespace.core.console import note
from facespace.recipes.config import Recipe

LEAST_STEPS = 500  # the mean face is what a training learns first
FEWEST = 8  # faces that say something about their variance
# A share of the variance of the faces. A collapsed model has nearly 0, soft reconstructions a third or more.
LEAST_VARIANCE = 0.02


class CollapseWatch:
    """Says when the reconstructions of a run become one picture, and at its end where they still are."""

    def __init__(self, plan: Recipe) -> None:
        self._plan = plan
        self._collapsed = False  # at the latest step that was looked at
        self._said_at = -1  # the step of the latest note

    def look(self, decoded: Tensor, faces: Tensor, step: int) -> None:
        """Reconstructions and their faces (N, C, H, W) after a step."""
        before, self._collapsed = self._collapsed, step >= LEAST_STEPS and has_collapsed(decoded, faces)
        if self._collapsed and not before:
            self._say(step)

    def end(self, step: int) -> None:
        """The run has ended after a step."""
        if self._collapsed and self._said_at != step:
            self._say(step)

    def _say(self, step: int) -> None:
        self._said_at = step
        note(collapse_note(self._plan, step))


def has_collapsed(decoded: Tensor, faces: Tensor) -> bool:
    """Whether decoded faces (N, C, H, W) hardly differ from each other, although the faces do that they
    reconstruct."""
    if len(faces) < FEWEST:
        return False
    return bool(decoded.var(0).mean() < LEAST_VARIANCE * faces.var(0).mean())


def collapse_note(plan: Recipe, step: int) -> str:
    """What is said of it, and what may help."""
    if plan.model.bottleneck == "gaussian":
        help_with = (
            "a lower weight of the KL (objective.weights.kl) that rises over more steps (objective.warmup)"
        )
    else:
        help_with = (
            "a learning rate that rises over the first 500 steps (train.warmup=500), or model.norm=true"
        )
    return (
        f"After {step:,} steps every face is decoded to nearly the same picture: the latents carry nothing. "
        f"If that stays so, start again with {help_with}."
    )
