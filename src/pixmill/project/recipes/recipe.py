"""Recipes: params files that hold what differs from the defaults, Pixmill's and those in a project's ``recipes/``.

To add one, write a file in ``use/recipes/`` with what differs from the defaults. Its first comment is its description.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import SingleQuotedScalarString

from pixmill.core.errors import ParamsError
from pixmill.core.params import Params, parse_params, read_text
from pixmill.core.params.document import SECTION_NAMES
from pixmill.core.params.yaml_text import dump_commented, load_commented
from pixmill.core.words import did_you_mean

_HEAD = "# yaml-language-server: $schema={}params.schema.json\n"
_PACKED = ("image_size", "aspect", "resize")
"""What a model sees of an image; the other keys of split say which image is in which split."""


@dataclass(frozen=True)
class Recipe:
    """A params file to start from.

    Args:
        name: The file's name without ``.yaml``.
        text: The file's text. Its first line is a comment that says what it is for.
    """

    name: str
    text: str

    @property
    def summary(self) -> str:
        """What it is for, in one line."""
        first = self.text.partition("\n")[0]
        return first.removeprefix("#").strip() if first.startswith("#") else ""

    def params(self) -> Params:
        """Return what it says.

        Raises:
            ParamsError: It is not sound.
        """
        try:
            return parse_params(self.text)
        except ParamsError as error:
            raise ParamsError(
                f"recipes/{self.name}.yaml is not valid:\n{error.message}", next=f"edit recipes/{self.name}.yaml"
            ) from None

    def with_open_sources(self) -> Recipe:
        """Return the recipe with openly licensed archives as its sources, Openverse and Wikimedia Commons."""
        self.params()
        content = load_commented(self.text)
        content["scrape"]["source"] = ["openverse", "wikimedia"]
        content["scrape"].pop("source_by_class", None)
        return Recipe(self.name, dump_commented(content))

    def with_images(self, classes: Sequence[str], *, source: str, layout: str = "classes") -> Recipe:
        """Return the recipe with classes and a source of one's own.

        Args:
            classes: The classes.
            source: Where their images come from.
            layout: That of ``data/``, for the source ``folder``.
        """
        content = load_commented(self.text)
        content["classes"][:] = classes
        content["scrape"]["source"] = source
        if layout != "classes":
            content["scrape"].insert(1, "folder", {"layout": layout})
        return Recipe(self.name, dump_commented(content))

    def with_snapshot(self, snapshot: str) -> Recipe:
        """Return the recipe with another date of the scrape."""
        content = load_commented(self.text)
        content["scrape"]["snapshot"] = SingleQuotedScalarString(snapshot)
        return Recipe(self.name, dump_commented(content))

    def file(self, root: Path) -> str:
        """Return the ``params.yaml`` that it becomes: with all sections, which DVC expects there.

        Args:
            root: The project's folder; the schema that editors read lies there, or in ``docs/``.
        """
        present = load_commented(self.text)
        head = _HEAD.format("docs/" if (root / "docs" / "params.schema.json").exists() else "")
        return head + self.text + "".join(f"\n{name}: {{}}\n" for name in SECTION_NAMES if name not in present)

    def with_compare_of(self, current: str) -> Recipe:
        """Return the recipe with the section ``compare`` of a params file: the team's limits hold for every model.

        Args:
            current: The file; one that cannot be read, or has no such section, changes nothing.
        """
        try:
            limits = load_commented(current)["compare"]
        except (YAMLError, KeyError, TypeError):
            return self
        content = load_commented(self.text)
        if "compare" not in content:
            return Recipe(self.name, f"{self.text}\n{dump_commented({'compare': limits}).rstrip()}\n")
        content["compare"] = limits
        return Recipe(self.name, dump_commented(content))

    def merge_into(self, current: str) -> str:
        """Return a params file with the recipe's model: its section ``train``, and how split packs images.

        Args:
            current: A sound params file.
        """
        content, chosen = load_commented(current), load_commented(self.text)
        content["train"] = chosen.get("train", {})
        split = content.setdefault("split", {})
        for key in _PACKED:
            split.pop(key, None)
            if key in chosen.get("split", {}):
                split[key] = chosen["split"][key]
        return dump_commented(content)


def find_recipes(root: Path | None) -> list[Recipe]:
    """Return Pixmill's recipes and the project's own, by name; of two with one name, the project's.

    Args:
        root: The project's folder; ``None`` outside of one.

    Raises:
        ParamsError: One cannot be read.
    """
    folders = (Path(__file__).parent, *([] if root is None else [root / "recipes"]))
    paths = {path.stem: path for folder in folders for path in folder.glob("*.yaml")}
    return [Recipe(name, read_text(paths[name])) for name in sorted(paths)]


def find_recipe(root: Path, name: str) -> Recipe:
    """Return the recipe of a name.

    Args:
        root: The project's folder.
        name: The name, as ``pixmill use`` lists it.

    Raises:
        ParamsError: There is none of this name.
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
    """Return one line for each recipe: its name and what it is for."""
    recipes = find_recipes(root)
    width = max(len(recipe.name) for recipe in recipes)
    return "\n".join(f"{recipe.name:<{width}}  {recipe.summary}".rstrip() for recipe in recipes)
