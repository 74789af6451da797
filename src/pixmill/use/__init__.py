"""Recipes: short params files to start from, and how one takes the place of what is there.

- ``recipe``: the files in ``recipes/``, Pixmill's and a project's own, and what they are for
- ``replacement``: putting a recipe in place, with a way back
- ``inputs``: what a run needs on this machine before it starts
"""

from pixmill.use.inputs import Problem, problems, salt_for_folders
from pixmill.use.recipe import Recipe, find_recipe, find_recipes, listing
from pixmill.use.replacement import use

__all__ = ["Problem", "Recipe", "find_recipe", "find_recipes", "listing", "problems", "salt_for_folders", "use"]
