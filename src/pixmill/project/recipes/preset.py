"""A preset of KerasHub as the backbone of a recipe: the revision and the SHA-256 that make a run repeatable."""

from __future__ import annotations

import re
from pathlib import Path

from ruamel.yaml.scalarstring import SingleQuotedScalarString

from pixmill.core.errors import ParamsError
from pixmill.core.params import parse_params, read_text
from pixmill.core.params.train import PRESET
from pixmill.core.params.yaml_text import dump_commented, load_commented
from pixmill.models.preset_files import WEIGHTS, licence_of, preset_of, resolve_preset
from pixmill.models.presets import read_preset
from pixmill.project.recipes.recipe import Recipe


def preset_recipe(root: Path, name: str) -> Recipe:
    """Return what the project has, with a preset as the backbone of the model ``features``; all else stays.

    Args:
        root: The project's folder.
        name: ``hub:<preset>``, as params have it.

    Raises:
        ParamsError: It is no such name, or ``params.yaml`` is not sound.
    """
    if re.fullmatch(PRESET, name) is None:
        raise ParamsError(f"expected hub:<preset>, received {name!r}", next="pixmill use hub:dinov2_small")
    text = read_text(root / "params.yaml")
    before = parse_params(text).train
    content = load_commented(text)
    if not content.get("train"):
        content["train"] = {}
    train = content["train"]
    train["model"] = "features"
    if before.backbone.name != name:
        train["backbone"] = {"name": name}
        if before.features.layers not in ("auto", "top"):  # Those of another network.
            train["features"]["layers"] = "auto"
    return Recipe(name, dump_commented(content))


def pin_preset(root: Path, recipe: Recipe) -> tuple[Recipe, list[str]]:
    """Return a recipe that pins its preset, and what to say about it; another recipe as it is.

    The preset is downloaded unless it is in the user's cache.

    Args:
        root: The project's folder.
        recipe: The recipe.

    Raises:
        TrainError: The preset is not available, or not supported.
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
    pinned = Recipe(recipe.name, dump_commented(content))
    licence = licence_of(pinned.params().train.backbone)
    return pinned, [f"{preset}: {version}{megabytes:,.1f} MB in {folder}; licence: {licence}"]
