"""The recipes of this repository are sound, complete, and build what they say."""

import re
from pathlib import Path

import pytest

from pixmill.core.params import parse_params
from pixmill.learn import build_classifier
from pixmill.use import find_recipe, find_recipes
from pixmill.use.entries import entries, leaves
from tests.use.rebase import rebased

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["best", "best-large", "digits", "food", "garments", "scenes", "sports", "sports-transfer"]
PUBLISHED = {"garments": 10_128_707, "digits": 542_230, "sports": 6_451_554, "scenes": 2_046_406}
"""What the sources of the recipes print as the number of parameters, or what theirs come to."""


def test_there_is_one_for_each_kind_of_task() -> None:
    assert [recipe.name for recipe in find_recipes(ROOT)] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_sound_and_says_every_key(name: str) -> None:
    recipe = find_recipe(ROOT, name)
    recipe.params()
    assert set(entries(recipe.text)) >= set(leaves())
    assert re.fullmatch(r"[A-Z].{60,130}\.", recipe.summary)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_has_the_comments_of_the_committed_file(name: str) -> None:
    # Where this fails: python -m tests.use.rebase
    text = find_recipe(ROOT, name).text
    assert rebased(text, (ROOT / "params.yaml").read_text(encoding="utf-8")) == text


@pytest.mark.parametrize("name", [name for name in NAMES if "best" not in name and name != "digits"])
def test_where_a_source_says_no_there_is_another(name: str) -> None:
    opened = find_recipe(ROOT, name).opened()
    params = opened.params()
    assert params.scrape.source == ("openverse", "wikimedia")
    assert params.train == find_recipe(ROOT, name).params().train
    # And the way back stands where the other was.
    assert opened.opened().text == find_recipe(ROOT, name).text


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_recipe_has_the_parameters_of_its_source(name: str) -> None:
    params = find_recipe(ROOT, name).params()
    model = build_classifier(params.train, labels=len(params.classes), image_size=params.split.image_size)
    assert model.count_params() == PUBLISHED[name]
    assert f"{PUBLISHED[name]:,}" in find_recipe(ROOT, name).text


@pytest.mark.usefixtures("threads")
def test_food_has_the_parameters_that_it_tells() -> None:
    params = find_recipe(ROOT, "food").params()
    model = build_classifier(params.train, labels=3, image_size=180)
    convolutions = sum(9 * before * after + after for before, after in ((3, 16), (16, 32), (32, 64)))
    assert model.count_params() == convolutions + (22 * 22 * 64 + 1) * 128 + 129 * 3
    assert f"{model.count_params():,}" in find_recipe(ROOT, "food").summary


def test_both_halves_of_sports_see_the_same_pictures() -> None:
    whole, half = (find_recipe(ROOT, name).params() for name in ("sports", "sports-transfer"))
    assert (whole.classes, whole.scrape, whole.split) == (half.classes, half.scrape, half.split)
    assert half.train.backbone.unfreeze == 0
    assert half.train.backbone.dropout == 0.2


def test_digits_and_best_large_are_about_the_same_pictures() -> None:
    small, large = (find_recipe(ROOT, name).params() for name in ("digits", "best-large"))
    assert (small.classes, small.scrape, small.validate) == (large.classes, large.scrape, large.validate)
    assert len(small.classes) == 10


def test_digits_is_for_mnist_too_as_it_says() -> None:
    text = find_recipe(ROOT, "digits").text
    said = re.search(r"classes: (\[.*\])\.", text)
    assert said
    classes = re.sub(r"classes:\n(- .*\n)+", f"classes: {said[1]}\n", text)
    params = parse_params(classes.replace("dataset: fashion_mnist", "dataset: mnist"))
    assert params.classes == tuple("0123456789")
    assert params.scrape.keras.dataset == "mnist"
