"""Recipes: short params files to start from.

- ``recipe``: Pixmill's recipes, those of a project, and presets of KerasHub
- ``replacement``: replacement of ``params.yaml`` by a recipe
- ``preflight``: checks before a run
"""
