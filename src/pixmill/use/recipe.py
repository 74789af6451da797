"""The recipes of a project: params files in ``recipes/``, each with comments of its own about what it is for."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from pathlib import Path

from pixmill.core.errors import ParamsError
from pixmill.core.params import Params, parse_params, read_text
from pixmill.use.entries import entries, text_of

__all__ = ["OWN", "Recipe", "find_recipe", "find_recipes", "listing"]

OWN = "#:"
"""What a comment of the recipe's own begins with; the others are those of ``params.yaml``."""


@dataclass(frozen=True)
class Recipe:
    """Hold a complete params file to start from.

    Args:
        name: The file's name without ``.yaml``.
        text: The file's text.
    """

    name: str
    text: str

    @property
    def summary(self) -> str:
        """What it is for, in one line: the first of its own comments."""
        first = self.text.partition("\n")[0]
        return first.removeprefix(OWN).strip() if first.startswith(OWN) else ""

    def params(self) -> Params:
        """Return what it says.

        Raises:
            ParamsError: It is not sound.
        """
        try:
            return parse_params(self.text)
        except ParamsError as error:
            raise ParamsError(
                f"recipes/{self.name}.yaml is not sound:\n{error.message}", next=f"edit recipes/{self.name}.yaml"
            ) from None

    def opened(self) -> Recipe:
        """Return the recipe with the openly licensed sources that it names in a comment above ``scrape.source``.

        Raises:
            ParamsError: It names none.
        """
        parts = entries(self.text)
        source = parts["scrape.source"]
        other = next((line for line in source.above if line.startswith(f"  {OWN} source:")), None)
        if other is None:
            raise ParamsError(
                f"the recipe '{self.name}' names no other sources: it asks none that might refuse",
                next=f"pixmill use {self.name}",
            )
        swapped = tuple(f"  {OWN} {source.lines[0].strip()}" if line == other else line for line in source.above)
        parts["scrape.source"] = replace(source, above=swapped, lines=(other.replace(f"{OWN} ", "", 1),))
        return Recipe(self.name, text_of(parts))


def find_recipes(root: Path) -> list[Recipe]:
    """Return the recipes of a project, its own ones too, by name.

    Args:
        root: The project's folder.

    Raises:
        ParamsError: It has none, or one cannot be read.
    """
    paths = sorted((root / "recipes").glob("*.yaml"), key=lambda path: path.stem)
    if not paths:
        raise ParamsError(f"{root / 'recipes'} holds no recipe", next="git checkout recipes")
    return [Recipe(path.stem, read_text(path)) for path in paths]


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
    close = difflib.get_close_matches(name, recipes, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(f'{other!r}' for other in close)}?" if close else ""
    raise ParamsError(
        f"there is no recipe '{name}'{hint}\nThe recipes are: {', '.join(recipes)}.",
        next="pixmill use, to see them all",
    )


def listing(root: Path) -> str:
    """Return one line for each recipe: its name and what it is for.

    Raises:
        ParamsError: There is none.
    """
    recipes = find_recipes(root)
    width = max(len(recipe.name) for recipe in recipes)
    return "\n".join(f"{recipe.name:<{width}}  {recipe.summary}".rstrip() for recipe in recipes)
