"""What judges a reconstruction beside its likelihood: the perceptual term, the person, the middle of the face and the
adversary, each where the recipe has it."""

import math
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from facespace.image.photos import Template
from facespace.perception.dlib_resnet import open_recognition
from facespace.recipes.config import Recipe
from facespace.training.adversary import Adversary
from facespace.training.loaders import Loader
from facespace.training.perceptual import Perceptual
from facespace.training.pool import LatentPool
from facespace.training.projected import Projected, judges
from facespace.training.runtime import Machine

Network = TypeVar("Network", bound=nn.Module)
Loss = tuple[Tensor, dict[str, Tensor]]  # in nats per image, and its terms by name, unweighted


def middle(template: Template) -> Tensor:
    """(H, W): 1 between eyes and mouth, by which people know each other, falling to 0 towards hair and background."""
    points = torch.from_numpy(template.points).float()
    eyes, mouth = points[:2].mean(0), points[3:].mean(0)
    size = torch.stack(
        [0.8 * (points[1] - points[0]).norm(), 0.85 * (mouth - eyes).norm()]
    )  # half axes of an ellipse
    places = torch.meshgrid(torch.arange(template.width), torch.arange(template.height), indexing="xy")
    away = ((torch.stack(places, 2) + 0.5 - (eyes + mouth) / 2) / size).square().sum(2)
    return torch.exp(-away.square())


def margins(template: Template, image: tuple[int, int, int]) -> tuple[int, int]:
    """Pixels of a prepared face that lie left of what the model draws, and above it."""
    return (template.width - image[2]) // 2, (template.height - image[1]) // 2


class Teachers:
    """Those of one run; `image` is the (C, H, W) of what the model draws, the middle of faces that the template cut, `total`
    the run's steps, `pool` latents of a fitted prior where their faces are judged."""

    def __init__(
        self,
        plan: Recipe,
        image: tuple[int, int, int],
        template: Template,
        machine: Machine,
        total: int,
        pool: LatentPool | None = None,
    ) -> None:
        goal = plan.objective
        self.goal, self.machine, self.wakes = goal, machine, int(total * goal.adversary_start)
        self.pool = pool
        left, top = margins(template, image)
        face = middle(template)[top : top + image[1], left : left + image[2]]
        self.face = face.to(machine.device)
        weight, eyes = 1 + goal.focus * face, template.points[:2] - (left, top)
        self.perceptual = self._frozen(Perceptual(goal, image, weight)) if goal.perceptual else None
        self.recognition = self._frozen(open_recognition(eyes, image)) if goal.identity else None
        patch = goal.discriminator == "patch" and (goal.adversarial or goal.matching)
        self.adversary = Adversary(plan, image, machine) if patch else None
        self.projected = Projected(plan, image, eyes, machine) if judges(goal) or goal.moments else None
        self.adversaries = [part for part in (self.adversary, self.projected) if part is not None]

    def _frozen(self, network: Network) -> Network:
        """On the device, and as it was: batch norms that processes share come back ready to learn."""
        return cast(Network, self.machine.place(network)).eval().requires_grad_(False)

    @property
    def parts(self) -> dict[str, Any]:
        """What a checkpoint holds of them."""
        return {name: part for adversary in self.adversaries for name, part in adversary.parts.items()}

    def begin(self, loader: Loader, seed: int, resumes: bool) -> None:
        """What takes a while before the first step: latents are drawn, and, unless a checkpoint has them, the moments of the
        loader's faces measured."""
        if self.pool is not None:
            self.pool.fill()
        if self.projected is not None and not resumes:
            self.projected.measure(loader, seed)

    def awake(self, step: int) -> bool:
        """Whether an adversary teaches at a step."""
        return bool(self.adversaries) and step >= self.wakes

    def drawn(self, step: int, faces: int) -> dict[str, Any]:
        """Which drawn faces are to be judged at a step, beside so many of a batch, as the model's forward takes them: how many
        latents between those of the batch, or latents of the pool."""
        judged = self.awake(step) and (
            self.goal.adversarial or self.goal.moments
        )  # nothing else is said of them
        if not judged:
            return {}
        if self.pool is None:
            count = math.ceil(self.goal.adversarial_drawn * faces)
            return {"drawn": count} if count else {}
        return {"latents": self.pool.take(math.ceil((self.goal.adversarial_drawn or 1) * faces))}

    def judge(
        self, found: Loss, image: Tensor, seen: Tensor, step: int | None = None, drawn: Tensor | None = None
    ) -> Loss:
        """A loss and its terms with what is to say of images (B, C, H, W) beside those `seen`, and of drawn ones. Without a
        step this is validation: without chance, and without the adversary, whose opinion changes from step to step."""
        (loss, terms), more = found, {}
        if self.goal.focus:
            more["focus"] = ((image - seen).abs() * self.face).flatten(1).sum(1).mean()
        some = math.ceil(self.goal.perceptual_share * len(image))  # batches are drawn, so the first are any
        if self.perceptual is not None:
            look = self.perceptual if step is None else self.perceptual.anywhere
            with self.machine.autocast():
                more["perceptual"] = look(image[:some], seen[:some]).mean()
        if self.recognition is not None:
            with self.machine.autocast():
                more["identity"] = self.recognition(image[:some], seen[:some]).mean()
        if step is not None and self.awake(step):
            for adversary in self.adversaries:
                more |= adversary.judge(image, seen, drawn)
        return loss + sum(getattr(self.goal, name) * term for name, term in more.items()), {**terms, **more}

    def learn(self, image: Tensor, seen: Tensor, step: int, drawn: Tensor | None = None) -> dict[str, Tensor]:
        """The adversary's own step, after the model's; what there is to say of it."""
        told: dict[str, Tensor] = {}
        if self.awake(step):
            for adversary in self.adversaries:
                told |= adversary.learn(image, seen, drawn)
        return told
