"""Recipes: short params files to start from, and how one takes the place of what is there.

- ``recipe``: the files in ``recipes/`` and what they are for
- ``replacement``: putting a recipe in place, with a way back
"""

from pixmill.use.recipe import Recipe, find_recipe, find_recipes, listing
from pixmill.use.replacement import use

__all__ = ["Recipe", "find_recipe", "find_recipes", "listing", "use"]
