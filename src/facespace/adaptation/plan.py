"""How long and with which weights a space is adapted: a function of the number of faces and of the minutes
that were asked for, never of the machine's speed, so that the same command gives the same space."""

import math
from dataclasses import dataclass

from facespace.core.errors import UsageError
from facespace.space.face_loss import CENTER, FEATURES
from facespace.space.latent_optimization import DISTANCE, RATE

SET = 20  # faces from which on they are a set: some are held out, and a prior is fitted
MINUTES = 5.0
LONGEST = 24 * 60.0


@dataclass(frozen=True)
class AdaptPlan:
    """Steps, batches and weights. Losses are means over pixel values in [0, 1], the centre of the face
    weighted more."""

    inversion_steps: int  # of Adam on each latent, the decoder frozen
    tuning_steps: int
    batch: int  # photographs in a step
    prior_batch: int = 4  # latents of the base's prior in a step
    inversion_rate: float = RATE
    decoder_rate: float = 1e-3
    encoder_rate: float = 3e-4
    tune_encoder: bool = False  # where the base's encodings are far off
    # Weights against 1 for the mean absolute error of the tuned photographs.
    perceptual: float = FEATURES
    locality: float = 1.0  # of the faces of prior latents, which must decode as before
    encoding: float = 1.0  # of photographs, augmented, through the encoder and the decoder
    latent: float = 0.01  # of squared changes of the encodings of prior faces, in standard deviations
    distance: float = DISTANCE  # of an inverted latent's squared distance from its encoding, the same unit
    center: float = CENTER  # additional weight of the face's centre
    prior_faces: int = 128  # latents drawn from the base's prior
    held_out: float = 0.0  # share of the photographs
    validate_every: int = 50  # steps
    patience: int = 6  # validations without a better one, after which tuning ends


def plan_for(faces: int, minutes: float = MINUTES) -> AdaptPlan:
    """The plan for so many faces. Up to 19 faces are learned as they are, which takes no more than a minute
    whatever `minutes` are; of 20 and more a tenth is held out, and steps grow with faces and minutes. Raises
    UsageError for minutes outside (0, 1440]."""
    if not 0 < minutes <= LONGEST or not math.isfinite(minutes):
        raise UsageError(f"--minutes must lie above 0 and be at most {LONGEST:,.0f}; got {minutes}.")
    share = minutes / MINUTES
    if faces < SET:
        short = min(1.0, 5 * share)  # one minute suffices
        return AdaptPlan(
            inversion_steps=max(1, round(60 * short)),
            tuning_steps=max(1, round(150 * short)),
            batch=min(4, faces),
            prior_faces=64,
        )
    inversions = 30 * min(1.0, 160 * share / faces)
    return AdaptPlan(
        inversion_steps=max(1, round(inversions)),
        tuning_steps=max(1, round(min(16 * faces, 1800) * share)),
        batch=8,
        tune_encoder=True,
        held_out=0.1,
    )
