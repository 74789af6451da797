"""Every picture has its card; what is odd about some follows from their names alone."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from pixmill.errors import DataError
from pixmill.shop.catalogue import Catalogue, Inline, Kind
from pixmill.shop.pages import Pages


@pytest.fixture(scope="module")
def catalogue(data):
    return Catalogue(data)


def test_every_picture_has_one_product(catalogue, data):
    for label in ("sneaker", "red cat"):
        products = [card.path for card in catalogue.classes[label] if card.kind is Kind.PRODUCT]
        assert sorted(products) == sorted(path for path in (data / label).iterdir() if not path.name.startswith("."))


def test_classes_are_folders(catalogue):
    assert sorted(catalogue.classes) == ["hat", "red cat", "sneaker"]
    assert catalogue.classes["hat"] == ()


def test_all_that_is_odd_occurs(catalogue):
    cards = catalogue.classes["sneaker"]
    assert set(Counter(card.kind for card in cards)) == set(Kind)
    assert {card.inline for card in cards} == set(Inline)
    assert {media.mislabelled for media in catalogue.media.values()} == {None, "image/jpeg", "text/plain"}
    assert sorted(media.delay for media in catalogue.media.values() if media.delay) == [2.0]


def test_the_same_picture_again_has_another_id_and_address(catalogue):
    cards = catalogue.classes["sneaker"]
    for again in (card for card in cards if card.kind is Kind.AGAIN):
        (product,) = (card for card in cards if card.kind is Kind.PRODUCT and card.path == again.path)
        assert again.id != product.id
        assert again.picture != product.picture


def test_only_extra_cards_lack_an_open_picture(catalogue):
    for card in catalogue.products.values():
        assert (card.picture in catalogue.media) == (card.kind is not Kind.SOLD_OUT)
        assert card.picture.startswith("/media/private/") == (card.kind is Kind.MEMBERS)


def test_no_local_name_is_in_an_address(catalogue):
    for card in catalogue.products.values():
        assert card.path.stem not in (card.picture.removesuffix(".png"), card.id)
        assert "sneaker" not in card.picture


def test_one_picture_more_changes_no_other_card(tmp_path):
    folder = tmp_path / "coat"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number}.jpg").write_bytes(b"")
    before = Catalogue(tmp_path)
    (folder / "new.jpg").write_bytes(b"")
    after = Catalogue(tmp_path)
    assert [card for card in after.classes["coat"] if card.path.name != "new.jpg"] == list(before.classes["coat"])


@pytest.mark.parametrize("name", ["a.tar.gz/../../b", "x.JPG", "no-extension", "odd.p%20g", "a.verylongextension"])
def test_addresses_keep_harmless_extensions_only(tmp_path, name):
    (tmp_path / "coat").mkdir()
    (tmp_path / "coat" / name.replace("/", "_")).write_bytes(b"")
    (card,) = (card for card in Catalogue(tmp_path).classes["coat"] if card.kind is Kind.PRODUCT)
    assert card.picture.removeprefix("/media/").removesuffix(".jpg").isalnum()


def test_large_pictures_are_not_inlined(tmp_path):
    (tmp_path / "coat").mkdir()
    for number in range(60):
        with (tmp_path / "coat" / f"{number}.jpg").open("wb") as stream:
            stream.truncate(65 * 1024)
    assert {card.inline for card in Catalogue(tmp_path).classes["coat"]} == {Inline.NO}


@pytest.mark.parametrize("query", ["sneaker", "Sneaker", " SNEAKER "])
def test_a_class_is_found_by_its_name(catalogue, query):
    assert catalogue.find(query) == catalogue.classes["sneaker"]


@pytest.mark.parametrize("query", ["", "hat", "sneak", "boots", "../data"])
def test_nothing_else_is_found(catalogue, query):
    assert catalogue.find(query) == ()


def test_names_that_differ_in_case_only_are_kept_apart(tmp_path):
    for label in ("Coat", "coat"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "0.png").write_bytes(b"")
    catalogue = Catalogue(tmp_path)
    assert {card.label for card in catalogue.find("Coat")} == {"Coat"}
    assert {card.label for card in catalogue.find("coat")} == {"coat"}


@pytest.mark.linux
def test_names_that_are_no_text_are_sold_too(tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    (folder / os.fsdecode(b"\xff.png")).write_bytes(b"")
    catalogue = Catalogue(tmp_path)
    (card,) = (card for card in catalogue.find("caf\\udce9") if card.kind is Kind.PRODUCT)
    assert Pages(catalogue).product(card.id, consented=True).encode()


@pytest.mark.parametrize("folders", [[], ["data"], ["data/.hidden"]])
def test_a_folder_without_classes_is_refused(tmp_path, folders):
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(DataError, match=r"data holds no class") as stop:
        Catalogue(tmp_path / "data")
    assert stop.value.next.endswith("make data")
