"""The center of the face in the images of a space, which losses weight more than hair and background."""

import torch
from torch import Tensor

from facespace.image.photos import Template


def center_weights(template: Template) -> Tensor:
    """(H, W): 1 between eyes and mouth, the region that identifies a person, falling to 0 at hair and
    background."""
    points = torch.from_numpy(template.points).float()
    eyes, mouth = points[:2].mean(0), points[3:].mean(0)
    width, height = (points[1] - points[0]).norm(), (mouth - eyes).norm()
    axes = torch.stack([0.8 * width, 0.85 * height])  # half axes of an ellipse
    places = torch.meshgrid(torch.arange(template.width), torch.arange(template.height), indexing="xy")
    distance = ((torch.stack(places, 2) + 0.5 - (eyes + mouth) / 2) / axes).square().sum(2)
    return torch.exp(-distance.square())


def margins(template: Template, image: tuple[int, int, int]) -> tuple[int, int]:
    """Pixels of a prepared face at the left of and above the model's image (C, H, W)."""
    return (template.width - image[2]) // 2, (template.height - image[1]) // 2
