"""What judges a reconstruction beside its likelihood: the perceptual term, the person, the middle of the face and the
adversary, each where the recipe has it."""

import math
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from facespace.image.photos import Template
from facespace.recipe import Recipe
from facespace.training.adversary import Adversary
from facespace.training.machine import Machine
from facespace.training.perceptual import Perceptual
from facespace.training.recognition import open_recognition

Network = TypeVar("Network", bound=nn.Module)
Loss = tuple[Tensor, dict[str, Tensor]]  # in nats per image, and its terms by name, unweighted


def middle(template: Template) -> Tensor:
    """(H, W): 1 between eyes and mouth, by which people know each other, falling to 0 towards hair and background."""
    points = torch.from_numpy(template.points).float()
    eyes, mouth = points[:2].mean(0), points[3:].mean(0)
    size = torch.stack([0.8 * (points[1] - points[0]).norm(), 0.85 * (mouth - eyes).norm()])  # half axes of an ellipse
    places = torch.meshgrid(torch.arange(template.width), torch.arange(template.height), indexing="xy")
    away = ((torch.stack(places, 2) + 0.5 - (eyes + mouth) / 2) / size).square().sum(2)
    return torch.exp(-away.square())


class Teachers:
    """Those of one run; `image` is the (C, H, W) of what the model draws, the middle of faces that the template cut, `total`
    the run's steps."""

    def __init__(
        self, plan: Recipe, image: tuple[int, int, int], template: Template, machine: Machine, total: int
    ) -> None:
        goal = plan.objective
        self.goal, self.machine, self.wakes = goal, machine, int(total * goal.adversary_start)
        left, top = (template.width - image[2]) // 2, (template.height - image[1]) // 2
        face = middle(template)[top : top + image[1], left : left + image[2]]
        self.face = face.to(machine.device)
        weight, eyes = 1 + goal.focus * face, template.points[:2] - (left, top)
        self.perceptual = self._frozen(Perceptual(goal, image, weight)) if goal.perceptual else None
        self.recognition = self._frozen(open_recognition(eyes, image)) if goal.identity else None
        self.adversary = Adversary(plan, image, machine) if goal.adversarial or goal.matching else None

    def _frozen(self, network: Network) -> Network:
        """On the device, and as it was: batch norms that processes share come back ready to learn."""
        return cast(Network, self.machine.place(network)).eval().requires_grad_(False)

    @property
    def parts(self) -> dict[str, Any]:
        """What a checkpoint holds of them."""
        return self.adversary.parts if self.adversary else {}

    def awake(self, step: int) -> bool:
        """Whether the adversary teaches at a step."""
        return self.adversary is not None and step >= self.wakes

    def drawn(self, step: int, faces: int) -> int:
        """How many drawn faces are to be judged at a step, beside so many of a batch."""
        judged = self.awake(step) and self.goal.adversarial  # nothing else is said of them
        return math.ceil(self.goal.adversarial_drawn * faces) if judged else 0

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
        if self.adversary is not None and step is not None and self.awake(step):
            more |= self.adversary.judge(image, seen, drawn)
        return loss + sum(getattr(self.goal, name) * term for name, term in more.items()), {**terms, **more}

    def learn(self, image: Tensor, seen: Tensor, step: int, drawn: Tensor | None = None) -> dict[str, Tensor]:
        """The adversary's own step, after the model's; what there is to say of it."""
        return self.adversary.learn(image, seen, drawn) if self.adversary and self.awake(step) else {}
