"""One function a recipe, one row here. `recipe(name)` gives it; the docstring of the function says where it comes from."""

from collections.abc import Callable

from facespace.errors import choose
from facespace.recipe import Recipe
from facespace.recipes.celebamask_conv import celebamask_conv
from facespace.recipes.demo import demo

RECIPES: dict[str, Callable[[], Recipe]] = {
    "celebamask-conv": celebamask_conv,
    "demo": demo,
}


def recipe(name: str) -> Recipe:
    """The recipe of that name; UsageError with the nearest name where there is none."""
    return choose(RECIPES, name, "recipe")()
