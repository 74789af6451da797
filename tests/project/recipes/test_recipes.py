"""Pixmill's recipes are short, valid and complete."""

import re
from pathlib import Path

import pytest

from pixmill.core.params import parse_params
from pixmill.project.recipes.recipe import find_recipe, find_recipes

ROOT = Path(__file__).resolve().parents[3]
NAMES = [
    *("best", "best-large", "fast", "finetune", "strong"),
    *("digits", "fashion", "food", "garments", "scenes", "sports", "sports-transfer"),
]


def test_names() -> None:
    assert [recipe.name for recipe in find_recipes(ROOT)] == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_recipe_is_short_and_valid(name: str) -> None:
    recipe = find_recipe(ROOT, name)
    assert parse_params(recipe.file(ROOT)) == recipe.params()
    assert len(recipe.text.splitlines()) <= 40
    assert re.fullmatch(r"[A-Z].{60,130}\.", recipe.summary)


@pytest.mark.parametrize("name", NAMES)
def test_open_sources(name: str) -> None:
    params = find_recipe(ROOT, name).params()
    opened = find_recipe(ROOT, name).with_open_sources()
    assert opened.params().scrape.source == ("openverse", "wikimedia")
    assert opened.params().train == params.train
    assert opened.summary == find_recipe(ROOT, name).summary
