"""Titles and prices are plausible, and follow from the hash alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.shop import wording

labels = st.sampled_from(["coat", "dress", "shirt", "sneaker", "trouser", "tabby cat"])


def test_the_wording_of_a_picture_never_changes():
    key = "trouser/0012.png"
    assert wording.title("trouser", key) == "Twill Trouser No. 417"
    assert (wording.price("trouser", key), wording.backdrop(key)) == (109, "stone")
    assert wording.describe(key) == "Made slowly, in small numbers, and meant to be kept."


@pytest.mark.parametrize(
    ("label", "name"), [("coat", "Coat"), ("running_shoe", "Running Shoe"), ("t-shirt", "T Shirt"), ("été", "Été")]
)
def test_class_names_are_made_readable(label, name):
    assert wording.display_name(label) == name


@given(labels, st.text(min_size=1))
def test_prices_are_prices(label, key):
    price = wording.price(label, key)
    assert 15 <= price <= 300
    assert price % 10 in (5, 9)


@given(labels, st.text(min_size=1))
def test_titles_name_the_class(label, key):
    assert wording.display_name(label) in wording.title(label, key)


def test_backdrops_have_their_colours():
    from importlib import resources

    sheet = (resources.files("pixmill.shop") / "static" / "shop.css").read_text()
    assert all(f".on-{name} " in sheet and f"--{name}:" in sheet for name in wording.BACKDROPS)
