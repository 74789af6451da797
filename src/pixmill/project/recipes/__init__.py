"""Recipes: short params files to start from.

- ``recipe``: Pixmill's recipes, those of a project, and presets of KerasHub
- ``replacement``: replacement of ``params.yaml`` by a recipe
- ``preflight``: checks before a run
"""

from pixmill.project.recipes.preflight import Issue, find_issues
from pixmill.project.recipes.recipe import (
    Recipe,
    find_recipe,
    find_recipes,
    list_recipes,
    pin_preset,
    preset_recipe,
)
from pixmill.project.recipes.replacement import use

__all__ = [
    "Issue",
    "Recipe",
    "find_issues",
    "find_recipe",
    "find_recipes",
    "list_recipes",
    "pin_preset",
    "preset_recipe",
    "use",
]
