"""Recipes: short params files to start from, and how one replaces ``params.yaml``.

- ``recipe``: the files in ``recipes/``, Pixmill's and a project's own, and what they are for
- ``preset``: a preset of KerasHub as the backbone of a recipe
- ``replacement``: replacing ``params.yaml`` with a recipe, so that it can be undone
- ``preflight``: what a run needs on this machine before it starts, and what it lacks
"""

from pixmill.use.preflight import Issue, find_issues
from pixmill.use.preset import pin_preset, preset_recipe
from pixmill.use.recipe import Recipe, find_recipe, find_recipes, list_recipes
from pixmill.use.replacement import use

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
