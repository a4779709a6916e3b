"""One function a recipe, one row here. `recipe(name)` gives it; the docstring of the function says where it comes from."""

from collections.abc import Callable

from facespace.core.errors import choose
from facespace.recipes.celeba_conv_128 import celeba_conv_128
from facespace.recipes.celeba_gray import celeba_gray_ae, celeba_gray_vae
from facespace.recipes.celebamask_conv import celebamask_conv
from facespace.recipes.config import Recipe
from facespace.recipes.demo import demo
from facespace.recipes.faces64 import faces64
from facespace.recipes.grow import grow32, grow64, grow128
from facespace.recipes.ladder import ladder
from facespace.recipes.lfw_mlp import lfw_mlp
from facespace.recipes.vq import vq
from facespace.recipes.yearbook_ae import yearbook_ae

RECIPES: dict[str, Callable[[], Recipe]] = {
    "lfw-mlp": lfw_mlp,
    "celeba-gray-ae": celeba_gray_ae,
    "celeba-gray-vae": celeba_gray_vae,
    "celebamask-conv": celebamask_conv,
    "celeba-conv-128": celeba_conv_128,
    "yearbook-ae": yearbook_ae,
    "faces64": faces64,
    "vq": vq,
    "ladder": ladder,
    "grow32": grow32,
    "grow64": grow64,
    "grow128": grow128,
    "demo": demo,
}


def recipe(name: str) -> Recipe:
    """The recipe of that name; UsageError with the nearest name where there is none."""
    return choose(RECIPES, name, "recipe")()
