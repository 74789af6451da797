"""The recipes of this repository are sound, complete, and build what they say."""

import re
from pathlib import Path

import pytest

from pixmill.core.params import parse_params
from pixmill.learn import build_classifier
from pixmill.use import find_recipe, find_recipes

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["best", "best-large", "digits", "finetune", "food", "garments", "scenes", "sports", "sports-transfer"]
PUBLISHED = {"garments": 10_128_707, "digits": 542_230, "sports": 6_451_554, "scenes": 2_046_406}
"""What the sources of the recipes print as the number of parameters, or what theirs come to."""


def test_there_is_one_for_each_kind_of_task() -> None:
    assert [recipe.name for recipe in find_recipes(ROOT)] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_short_and_sound(name: str) -> None:
    recipe = find_recipe(ROOT, name)
    assert parse_params(recipe.file()) == recipe.params()
    assert len(recipe.text.splitlines()) <= 40
    assert re.fullmatch(r"[A-Z].{60,130}\.", recipe.summary)


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_can_ask_openly_licensed_archives(name: str) -> None:
    params, opened = find_recipe(ROOT, name).params(), find_recipe(ROOT, name).opened()
    assert opened.params().scrape.source == ("openverse", "wikimedia")
    assert opened.params().train == params.train
    assert opened.summary == find_recipe(ROOT, name).summary


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


def test_both_halves_of_sports_see_the_same_images() -> None:
    whole, half = (find_recipe(ROOT, name).params() for name in ("sports", "sports-transfer"))
    assert (whole.classes, whole.scrape, whole.split) == (half.classes, half.scrape, half.split)
    assert half.train.backbone.unfreeze == 0
    assert half.train.backbone.dropout == 0.2


def test_digits_and_best_large_are_about_the_same_images() -> None:
    small, large = (find_recipe(ROOT, name).params() for name in ("digits", "best-large"))
    assert (small.classes, small.scrape, small.validate) == (large.classes, large.scrape, large.validate)
    assert len(small.classes) == 10


def test_digits_is_for_mnist_too_as_it_says() -> None:
    text = find_recipe(ROOT, "digits").text
    said = re.search(r"classes: (\[.*\])\.", text)
    assert said
    classes = re.sub(r"(?m)^classes: .*$", f"classes: {said[1]}", text)
    params = parse_params(classes.replace("dataset: fashion_mnist", "dataset: mnist"))
    assert params.classes == tuple("0123456789")
    assert params.scrape.keras.dataset == "mnist"
