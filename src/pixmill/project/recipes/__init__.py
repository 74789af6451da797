"""Recipes: short params files to start from, and how one replaces ``params.yaml``.

- ``recipe``: the files in ``recipes/``, Pixmill's and a project's own, and what they are for
- ``preset``: a preset of KerasHub as the backbone of a recipe
- ``replacement``: replacing ``params.yaml`` with a recipe, so that it can be undone
- ``preflight``: what a run needs on this machine before it starts, and what it lacks
"""

from pixmill.project.recipes.preflight import Issue, find_issues
from pixmill.project.recipes.preset import pin_preset, preset_recipe
from pixmill.project.recipes.recipe import Recipe, find_recipe, find_recipes, list_recipes
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
