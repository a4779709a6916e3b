"""What priors are without their networks: numbers and sentences that every engine shares. The torch modules
are in priors.py, flow.py and diffusion.py, the numpy ones in space/array_priors.py."""

import math

# Kinds of prior that a bundle may hold, the rows of priors.STORED.
STORED_KINDS = ("flow", "diffusion", "autoregressive", "mixture", "normal", "noise-normal", "noise-pairs")

STANDARD_NORMAL = "the prior N(0, I)"
FITTED_NORMAL = (
    "a Gaussian fitted to the latents of the training faces (an autoencoder has no prior of its own)"
)

SOLVER_STEPS = 16  # of Heun's method, from noise to latent
CHUNK = 8  # latents in one batch of the solver; always as many, so that rounding does not depend on n
CHURN = math.sqrt(2) - 1  # relative increase of the noise level before a step: the maximum that EDM allows
GUIDANCE_LIMIT = 20  # of classifier-free guidance; beyond it samples leave the distribution of faces
SPREAD = 0.6  # standard deviation around a pair of noises; chosen by looking at 64 faces of each


def raised_level(angle: float) -> tuple[float, float]:
    """The angle of the higher noise level before a step, and the standard deviation of what is added."""
    level = 1 / math.tan(angle)
    raised = level * (1 + CHURN)
    return math.atan2(1, raised), math.sqrt(raised**2 - level**2)
