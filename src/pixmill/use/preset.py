"""A preset of KerasHub as the backbone of a recipe: the revision and the SHA-256 that make a run repeatable."""

from __future__ import annotations

from pathlib import Path

from ruamel.yaml.scalarstring import SingleQuotedScalarString

from pixmill.core.params.commented import dump_commented, load_commented
from pixmill.learn.preset_files import HUB, WEIGHTS, licence_of, preset_of, resolve_preset
from pixmill.learn.presets import read_preset
from pixmill.use.recipe import Recipe, find_recipe

_STRONG = "strong"
"""The recipe whose backbone another preset replaces."""


def preset_recipe(root: Path, name: str) -> Recipe:
    """Return the recipe ``strong`` with another preset.

    Args:
        root: The project's folder.
        name: ``hub:<preset>``, as params have it.
    """
    recipe = find_recipe(root, _STRONG)
    content = load_commented(recipe.text)
    content["train"]["backbone"]["name"] = name
    return Recipe(name, dump_commented(content))


def pin_preset(root: Path, recipe: Recipe) -> tuple[Recipe, list[str]]:
    """Return a recipe that pins its preset, and what to say about it; another recipe as it is.

    The preset is downloaded unless it is in the user's cache.

    Args:
        root: The project's folder.
        recipe: The recipe.

    Raises:
        TrainError: The preset cannot be had, or is not supported.
    """
    params = recipe.params().train.backbone
    preset = preset_of(params)
    if preset is None:
        return recipe, []
    revision, digest, folder = resolve_preset(preset, root)
    read_preset(folder)
    content = load_commented(recipe.text)
    pins = {"revision": revision and SingleQuotedScalarString(revision), "sha256": SingleQuotedScalarString(digest)}
    content["train"]["backbone"].update(pins)
    megabytes = (folder / WEIGHTS).stat().st_size / 1e6
    version = f"version {revision}, " if revision else ""
    told = f"{params.name.removeprefix(HUB)}: {version}{megabytes:,.1f} MB in {folder}; licence: {licence_of(preset)}"
    return Recipe(recipe.name, dump_commented(content)), [told]
