"""Recipes: params files with only the differences from the defaults.

Pixmill's are in this folder, those of a project in its ``recipes/``. The first comment of a file is
its description.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pixmill.core.errors import ParamsError
from pixmill.core.install.origin import install_command
from pixmill.core.params import BackboneParams, Params, parse_params, parse_yaml, read_text
from pixmill.core.params.document import SECTION_NAMES, edit_params
from pixmill.core.params.models import PRESET
from pixmill.core.params.yaml_text import set_values
from pixmill.core.words import did_you_mean
from pixmill.models.preset_files import HUB, WEIGHTS, licence_of, preset_of, resolve_preset
from pixmill.models.presets import read_preset

_HEAD = "# yaml-language-server: $schema={}params.schema.json\n"
_IMAGE_KEYS = ("image_size", "aspect", "resize")
"""Keys of ``split`` that belong to the model; the others assign images to splits."""

_COMPARE = re.compile(r"^compare:.*?(?=^[^\s#]|\Z)", re.MULTILINE | re.DOTALL)
"""The section ``compare`` with its comments."""

_EXCLUSIONS = ("opt_out", "exclude_authors", "exclude_ids")
"""Keys of ``scrape`` that a project keeps with every recipe: people asked for them."""


@dataclass(frozen=True)
class Recipe:
    """A params file to start from.

    Args:
        name: File name without ``.yaml``.
        text: Content; its first line is a comment with the description.
    """

    name: str
    text: str

    @property
    def summary(self) -> str:
        """The description in one line."""
        first = self.text.partition("\n")[0]
        return first.removeprefix("#").strip() if first.startswith("#") else ""

    def params(self) -> Params:
        """Parse the recipe.

        Raises:
            ParamsError: It is not valid.
        """
        try:
            return parse_params(self.text)
        except ParamsError as error:
            raise ParamsError(
                f"recipes/{self.name}.yaml is not valid:\n{error.message}",
                next=f"edit recipes/{self.name}.yaml",
            ) from None

    def with_open_sources(self) -> Recipe:
        """Return the recipe with the sources Openverse and Wikimedia Commons."""
        own: dict[str, Any] = (
            {"source_by_class": {}} if self.params().scrape.source_by_class else {}
        )
        return self._with({"scrape": {"source": ["openverse", "wikimedia"], **own}})

    def with_images(
        self, classes: Sequence[str], *, source: str, layout: str = "classes"
    ) -> Recipe:
        """Return the recipe with other classes and another source.

        Args:
            classes: Class names.
            source: Source of the images.
            layout: Layout of ``data/``, for the source ``folder``.
        """
        folder = {} if layout == "classes" else {"folder": {"layout": layout}}
        return self._with({"classes": [*classes], "scrape": {"source": source, **folder}})

    def with_snapshot(self) -> Recipe:
        """Return the recipe with today as ``scrape.snapshot``."""
        return self._with({"scrape": {"snapshot": date.today().isoformat()}})

    def _with(self, values: Mapping[str, Any]) -> Recipe:
        return Recipe(self.name, set_values(self.text, values))

    def file(self, root: Path) -> str:
        """Return the recipe as a ``params.yaml``, with all the sections that DVC expects.

        Args:
            root: Project folder; the schema for editors is there or in ``docs/reference/``.
        """
        present = parse_yaml(self.text)
        folder = "docs/reference/"
        head = _HEAD.format(folder if (root / folder / "params.schema.json").exists() else "")
        return (
            head
            + self.text
            + "".join(f"\n{name}: {{}}\n" for name in SECTION_NAMES if name not in present)
        )

    def with_limits_of(self, current: str) -> Recipe:
        """Return the recipe with the limits of the current params, which apply to all models.

        These are the section ``compare``, and the hosts, authors and images that ``scrape``
        excludes.

        Args:
            current: Current params file, perhaps invalid.
        """
        kept: dict[str, Any] = {}
        with contextlib.suppress(ParamsError):
            was = parse_params(current).scrape
            now = self.params().scrape
            kept = {
                key: [*dict.fromkeys((*getattr(now, key), *getattr(was, key)))]
                for key in _EXCLUSIONS
            }
            kept = {
                key: values for key, values in kept.items() if len(values) > len(getattr(now, key))
            }
        recipe = self._with({"scrape": kept}) if kept else self
        if (limits := _COMPARE.search(current)) is None:
            return recipe
        return Recipe(
            self.name, f"{_COMPARE.sub('', recipe.text).rstrip()}\n\n{limits[0].rstrip()}\n"
        )

    def merge_into(self, current: str) -> str:
        """Return a params file with the recipe's model: ``train`` and image keys of ``split``.

        Only the values that differ change; comments and layout stay.

        Args:
            current: A valid params file.

        Raises:
            ParamsError: The values cannot be set in this file, such as one with anchors.
        """
        was = parse_params(current)
        now = self.params()
        images = {key: getattr(now.split, key) for key in _IMAGE_KEYS}
        wanted = was.model_copy(
            update={"train": now.train, "split": was.split.model_copy(update=images)}
        )
        return edit_params(current, wanted, otherwise=f"pixmill use {self.name} --all")


def find_recipes(root: Path | None) -> list[Recipe]:
    """Return Pixmill's and the project's recipes, sorted by name; the project's take precedence.

    Args:
        root: Project folder; ``None`` outside of one.

    Raises:
        ParamsError: A file cannot be read.
    """
    folders = (Path(__file__).parent, *([] if root is None else [root / "recipes"]))
    paths = {path.stem: path for folder in folders for path in folder.glob("*.yaml")}
    return [Recipe(name, read_text(paths[name])) for name in sorted(paths)]


def find_recipe(root: Path, name: str) -> Recipe:
    """Return a recipe by name.

    Args:
        root: Project folder.
        name: Name as listed by ``pixmill use``.

    Raises:
        ParamsError: No recipe has this name.
    """
    recipes = {recipe.name: recipe for recipe in find_recipes(root)}
    if name in recipes:
        return recipes[name]
    hint = did_you_mean(name, recipes, most=3, cutoff=0.5, show=repr)
    raise ParamsError(
        f"no such recipe: '{name}'{hint}\nThe recipes are: {', '.join(recipes)}.",
        next="list them with: pixmill use",
    )


def list_recipes(root: Path | None) -> str:
    """Return one line for each recipe, with name and description."""
    recipes = find_recipes(root)
    width = max(len(recipe.name) for recipe in recipes)
    return "\n".join(f"{recipe.name:<{width}}  {recipe.summary}".rstrip() for recipe in recipes)


def preset_recipe(root: Path, name: str) -> Recipe:
    """Return the params with a preset as backbone of ``features``, and a fitting image size.

    Args:
        root: Project folder.
        name: ``hub:<preset>``.

    Raises:
        ParamsError: The name or ``params.yaml`` is not valid.
        TrainError: The preset is not available or not supported.
    """
    if re.fullmatch(PRESET, name) is None:
        raise ParamsError(
            f"expected hub:<preset>, received {name!r}", next="pixmill use hub:dinov2_small"
        )
    text = read_text(root / "params.yaml")
    params = parse_params(text)
    changes: dict[str, Any] = {"model": "features"}
    if params.train.backbone.name != name:
        changes["backbone"] = BackboneParams(name=name)
        if params.train.features.layers not in (
            "auto",
            "top",
        ):  # They name layers of another network.
            changes["features"] = params.train.features.model_copy(update={"layers": "auto"})
    train = params.train.model_copy(update=changes)
    split = params.split
    if train.backbone.image_size is None:
        _, config = read_preset(resolve_preset(name.removeprefix(HUB), root)[2])
        patch = config.get("patch_size", 1)  # CLIP and SigLIP resize their images.
        split = split.model_copy(update={"image_size": split.image_size // patch * patch or patch})
    wanted = params.model_copy(update={"train": train, "split": split})
    return Recipe(name, edit_params(text, wanted, otherwise="set train.backbone yourself"))


def pin_preset(root: Path, recipe: Recipe) -> tuple[Recipe, list[str]]:
    """Pin the preset of a recipe by revision and SHA-256, so that runs are reproducible.

    The preset is downloaded unless it is in the user's cache.

    Args:
        root: Project folder.
        recipe: A recipe, returned unchanged if it has no preset.

    Returns:
        The recipe, and lines to print.

    Raises:
        TrainError: The preset is not available or not supported.
    """
    params = recipe.params().train.backbone
    preset = preset_of(params)
    if preset is None:
        return recipe, []
    if find_spec("keras_hub") is None:
        raise ParamsError("presets of KerasHub need the extra 'hub'", next=install_command("hub"))
    revision, digest, folder = resolve_preset(preset, root)
    read_preset(folder)
    megabytes = (folder / WEIGHTS).stat().st_size / 1e6
    version = f"version {revision}, " if revision else ""
    pins = {"train": {"backbone": {"revision": revision, "sha256": digest}}}
    pinned = Recipe(recipe.name, set_values(recipe.text, pins))
    licence = licence_of(pinned.params().train.backbone)
    return pinned, [f"{preset}: {version}{megabytes:,.1f} MB in {folder}; licence: {licence}"]
