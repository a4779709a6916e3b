"""The auxiliary losses beside the likelihood: center weighting, perceptual and identity distance, adversarial
terms and feature or moment matching, each where the recipe has it."""

import math
from typing import TypedDict, TypeVar, cast

from torch import Tensor, nn

from facespace.image.photos import Template
from facespace.perception.dlib_resnet import open_recognition
from facespace.perception.face_center import center_weights, margins
from facespace.perception.perceptual import Perceptual
from facespace.recipes.config import Recipe
from facespace.training.adversary import PatchAdversary
from facespace.training.checkpoint import Parts
from facespace.training.loaders import Loader
from facespace.training.loss import Loss
from facespace.training.pool import LatentPool
from facespace.training.projected import ProjectedAdversary, has_projected_discriminator
from facespace.training.runtime import Runtime

Network = TypeVar("Network", bound=nn.Module)
WEIGHTS = {"center": "center_weight"}  # term -> field of the objective, where their names differ


class Drawn(TypedDict, total=False):
    """Arguments of the model's forward pass for the images that the discriminator scores beside
    reconstructions."""

    generated: int  # number of interpolated latents
    latents: Tensor  # (N, *latent_shape)


class AuxiliaryLosses:
    """The auxiliary losses of one run.

    `image` is the (C, H, W) of the model's images, the center of faces that the template cut; `total` the
    number of steps; `pool` holds latents of a fitted prior, where the discriminator scores their images."""

    def __init__(
        self,
        plan: Recipe,
        image: tuple[int, int, int],
        template: Template,
        runtime: Runtime,
        total: int,
        pool: LatentPool | None = None,
    ) -> None:
        goal = plan.objective
        self.goal, self.runtime, self.adversarial_start = goal, runtime, int(total * goal.adversarial_start)
        self.pool = pool
        left, top = margins(template, image)
        face = center_weights(template)[top : top + image[1], left : left + image[2]]
        self.face = face.to(runtime.device)
        eyes = template.points[:2] - (left, top)
        self.perceptual = self.recognition = None
        if goal.perceptual:
            self.perceptual = self._frozen(Perceptual(goal, image, 1 + goal.center_weight * face))
        if goal.identity:
            self.recognition = self._frozen(open_recognition(eyes, image))
        self.adversary = self.projected = None
        if goal.discriminator == "patch" and (goal.adversarial or goal.feature_matching):
            self.adversary = PatchAdversary(plan, image, runtime)
        if has_projected_discriminator(goal) or goal.moments:
            self.projected = ProjectedAdversary(plan, image, eyes, runtime)
        self.adversaries = [part for part in (self.adversary, self.projected) if part is not None]

    def _frozen(self, network: Network) -> Network:
        """A network on the device, in eval mode and frozen: shared batch norms are created in training
        mode."""
        return cast(Network, self.runtime.to_device(network)).eval().requires_grad_(False)

    @property
    def parts(self) -> Parts:
        """The parts whose state is in a checkpoint."""
        parts: Parts = {}
        for adversary in self.adversaries:
            parts |= adversary.parts
        return parts

    def begin(self, loader: Loader, seed: int, resumes: bool) -> None:
        """Slow work before the first step: samples latents, and, unless resumed, measures the moments of real
        faces."""
        if self.pool is not None:
            self.pool.fill()
        if self.projected is not None and not resumes:
            self.projected.measure(loader, seed)

    def adversarial_on(self, step: int) -> bool:
        """Whether adversarial losses are on at a step."""
        return bool(self.adversaries) and step >= self.adversarial_start

    def scored_images(self, step: int, faces: int) -> Drawn:
        """The images that the discriminator scores at a step beside those of a batch of `faces`."""
        scored = self.goal.adversarial or self.goal.moments  # no other loss uses them
        if not scored or not self.adversarial_on(step):
            return {}
        if self.pool is None:
            count = math.ceil(self.goal.adversarial_generated * faces)
            return {"generated": count} if count else {}
        return {"latents": self.pool.take(math.ceil((self.goal.adversarial_generated or 1) * faces))}

    def add_to(
        self,
        found: Loss,
        image: Tensor,
        target: Tensor,
        step: int | None = None,
        generated: Tensor | None = None,
    ) -> Loss:
        """A loss and its terms plus the auxiliary ones, of images (B, C, H, W), targets `target`, and further
        images `generated`.

        Without a step this is validation: without random numbers, and without adversarial losses, which are
        not comparable between steps."""
        (loss, terms), more = found, {}
        if self.goal.center_weight:
            more["center"] = ((image - target).abs() * self.face).flatten(1).sum(1).mean()
        more |= self._frozen_terms(image, target, step is not None)
        if step is not None and self.adversarial_on(step):
            for adversary in self.adversaries:
                more |= adversary.generator_terms(image, target, generated)
        weighed = sum(self._weight(name) * term for name, term in more.items())
        return loss + weighed, {**terms, **more}

    def _weight(self, term: str) -> float:
        """The weight of a term in the objective."""
        return getattr(self.goal, WEIGHTS.get(term, term))

    def _frozen_terms(self, image: Tensor, target: Tensor, training: bool) -> dict[str, Tensor]:
        """The perceptual and the identity distance of the first faces of a batch, whose order is random."""
        terms, some = {}, math.ceil(self.goal.perceptual_share * len(image))
        if self.perceptual is not None:
            distance = self.perceptual.at_random_phase if training else self.perceptual
            with self.runtime.autocast():
                terms["perceptual"] = distance(image[:some], target[:some]).mean()
        if self.recognition is not None:
            with self.runtime.autocast():
                terms["identity"] = self.recognition(image[:some], target[:some]).mean()
        return terms

    def train_discriminators(
        self, image: Tensor, target: Tensor, step: int, generated: Tensor | None = None
    ) -> dict[str, Tensor]:
        """One step of each discriminator, after the model's; their losses."""
        terms: dict[str, Tensor] = {}
        if self.adversarial_on(step):
            for adversary in self.adversaries:
                terms |= adversary.step(image, target, generated)
        return terms
