"""The length of a run: its steps, the epochs between two validations, and what `train` prints about both.
Trains nothing."""

import math
from dataclasses import dataclass

from facespace.core.console import duration, note
from facespace.data.faces import FaceSet
from facespace.recipes.config import Recipe, TrainConfig

MOST_VALIDATIONS = 150  # of a run: with few faces an epoch is a few steps, and a validation costs more
FEW_STEPS = 1_500  # fewer have not been enough for faces with any recipe here
FEW_FACES = 100  # fewer are learned by heart, however long the training
MEASURED_STEPS = 25  # after which the speed is known; the first step, which is slow, does not count
SHORT_RUN = 60.0  # seconds; of a longer run the expected time is printed
FORWARD_SHARE = 1 / 3  # time of a forward pass as a share of a training step's


@dataclass(frozen=True)
class Length:
    """The length of a run."""

    epoch_steps: int
    steps: int  # of the whole run
    validation_epochs: int  # epochs between two validations

    @property
    def epochs(self) -> int:
        """The number of epochs, the last of which may be cut short."""
        return math.ceil(self.steps / self.epoch_steps)

    def validates(self, step: int) -> bool:
        """Whether the model is validated after so many steps."""
        return step == self.steps or step % (self.epoch_steps * self.validation_epochs) == 0


def run_length(train: TrainConfig, epoch_steps: int) -> Length:
    """train.steps, else train.epochs whole epochs, or as many whole epochs as train.min_steps takes where
    that is more."""
    epochs = max(train.epochs, math.ceil(train.min_steps / epoch_steps))
    steps = train.steps or epochs * epoch_steps
    every = math.ceil(math.ceil(steps / epoch_steps) / MOST_VALIDATIONS)
    return Length(epoch_steps, steps, every)


class Pace:
    """The speed of a run in this process, from the steps after its first."""

    def __init__(self) -> None:
        self.steps, self.seconds = 0, 0.0

    def add(self, steps: int, seconds: float) -> None:
        """Adds steps that took so many seconds."""
        self.steps += steps
        self.seconds += seconds

    @property
    def step_seconds(self) -> float | None:
        """Seconds a step; None before any was measured."""
        return self.seconds / self.steps if self.steps else None


class LengthNotes:
    """The notes of one run about its length: at the start, and once the speed is known."""

    def __init__(self, plan: Recipe, faces: FaceSet, length: Length, batch: int, started: bool) -> None:
        self.plan, self.faces, self.length, self.batch = plan, faces, length, batch
        self.started = started  # from another space's weights, for which few faces and steps can be enough
        self.count = len(faces.rows("train"))
        self.done = False

    def at_start(self) -> None:
        """Says which minimum or limit of the recipe set the length, and whether the faces are too few."""
        train, length = self.plan.train, self.length
        if train.steps is None and length.epochs > train.epochs:
            note(
                f"train.epochs={train.epochs} would be {train.epochs * length.epoch_steps:,} steps with "
                f"{self.count:,} faces. The recipe's least number, train.min_steps={train.min_steps}, makes "
                f"it {length.epochs:,} epochs; --set train.epochs={train.epochs} keeps it short."
            )
        if length.validation_epochs > 1:
            note(f"The model is validated every {length.validation_epochs:,} epochs, which are short here.")
        if self.count < FEW_FACES and not self.started:
            note(
                f"{self.count:,} faces are too few for a space of their own: no length of training helps. "
                "Add faces (some thousand are good), or start from the space that comes along: "
                f"facespace train --from faces64 --data {self._set_for_faces64()}"
            )

    def _set_for_faces64(self) -> str:
        """The set, where faces64 takes it; else how to prepare one, after the rest of a command."""
        template = self.faces.template
        if self.faces.image_shape == (3, 64, 64) and template.crop == "center-148":
            return f"{self.faces.place} --to RUN"
        return "SET --to RUN, with a set in colour that is prepared with --size 64 --crop center-148."

    def at_speed(self, pace: Pace, step: int) -> None:
        """Once the speed is known: how long the run takes, and settings that help a run of few steps, with
        the time that they take."""
        seconds = pace.step_seconds
        if self.done or seconds is None:
            return
        if pace.steps < MEASURED_STEPS and step < self.length.steps:
            return
        self.done = True
        rate = f"{self.batch / seconds:,.0f} images/s"
        if self._advises():
            self._advise(seconds, rate)
            return
        left = self._seconds(self.length.steps - step, self.length.validation_epochs, seconds)
        if left > SHORT_RUN:
            note(f"At {rate} the run takes about {duration(left)} more.")

    def _advises(self) -> bool:
        few = self.length.steps < FEW_STEPS and self.plan.train.steps is None
        return few and not self.started and self.count >= FEW_FACES

    def _advise(self, seconds: float, rate: str) -> None:
        epochs = math.ceil(FEW_STEPS / self.length.epoch_steps)
        time = duration(self._seconds(epochs * self.length.epoch_steps, 1, seconds))
        flip = "" if self.plan.data.flip else " --set data.flip=true"
        note(
            f"{self.length.steps:,} steps are few: {self.count:,} faces in {self.length.epochs:,} epochs. "
            f"Expect blurs, or add --set train.epochs={epochs}{flip}, which takes about {time} at the {rate} "
            "of this run. More photographs help most."
        )

    def _seconds(self, steps: int, validation_epochs: int, step_seconds: float) -> float:
        """The time of so many steps and of their validations, which are forward passes of the validation
        faces; two where the moving average of the weights is compared with the weights."""
        epochs = math.ceil(steps / self.length.epoch_steps)
        validations = min(math.ceil(epochs / validation_epochs), MOST_VALIDATIONS)
        forward = len(self.faces.rows("validation")) / self.batch * step_seconds * FORWARD_SHARE
        candidates = 2 if self.plan.train.decay else 1
        return steps * step_seconds + validations * candidates * forward
