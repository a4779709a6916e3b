"""The table of recipes by name: one function each in published.py and own.py, whose docstring states its
source."""

from collections.abc import Callable

from facespace.core.aliases import current_argument
from facespace.core.errors import choose
from facespace.recipes.config import Recipe
from facespace.recipes.own import (
    demo,
    faces64,
    faces64_style,
    faces128,
    grow32,
    grow64,
    grow128,
    hierarchical,
    hierarchical128,
    hierarchical_large,
    vq,
    vq2,
)
from facespace.recipes.published import (
    celeba_conv_128,
    celeba_gray_ae,
    celeba_gray_vae,
    celebamask_conv,
    lfw_mlp,
    yearbook_ae,
)

RECIPES: dict[str, Callable[[], Recipe]] = {
    "lfw-mlp": lfw_mlp,
    "celeba-gray-ae": celeba_gray_ae,
    "celeba-gray-vae": celeba_gray_vae,
    "celebamask-conv": celebamask_conv,
    "celeba-conv-128": celeba_conv_128,
    "yearbook-ae": yearbook_ae,
    "faces64": faces64,
    "faces128": faces128,
    "faces64-style": faces64_style,
    "vq": vq,
    "vq2": vq2,
    "hierarchical": hierarchical,
    "hierarchical-large": hierarchical_large,
    "hierarchical128": hierarchical128,
    "grow32": grow32,
    "grow64": grow64,
    "grow128": grow128,
    "demo": demo,
}


def recipe(name: str) -> Recipe:
    """The recipe of that name; UsageError with the nearest name where there is none."""
    return choose(RECIPES, current_argument("recipe", name), "recipe")()
