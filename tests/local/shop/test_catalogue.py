"""Cards and their deliberate faults depend on file names only."""

import os
from collections import Counter

import pytest

from pixmill.core.errors import DataError
from pixmill.local.shop.catalogue import BACKDROPS, CardKind, Catalogue, price, title


@pytest.fixture(scope="module")
def catalogue(data):
    return Catalogue(data)


def test_every_image_has_one_product(catalogue, data):
    for label in ("sneaker", "red cat"):
        products = [card.path for card in catalogue.classes[label] if card.kind is CardKind.PRODUCT]
        assert sorted(products) == sorted(
            path for path in (data / label).iterdir() if not path.name.startswith(".")
        )


def test_all_faults_occur(catalogue):
    cards = catalogue.classes["sneaker"]
    assert set(Counter(card.kind for card in cards)) == set(CardKind)
    assert {card.inline for card in cards} == {None, "src", "data-src"}
    assert {card.mislabelled for card in catalogue.media.values()} == {
        None,
        "image/jpeg",
        "text/plain",
    }
    assert catalogue.slow.kind is CardKind.PRODUCT


def test_only_extra_cards_lack_an_allowed_image(catalogue):
    for card in catalogue.products.values():
        assert (card.image in catalogue.media) == (card.kind is not CardKind.SOLD_OUT)
        assert card.image.startswith("/media/private/") == (card.kind is CardKind.MEMBERS)


def test_local_names_are_not_in_urls(catalogue):
    for card in catalogue.products.values():
        assert card.path.stem not in (card.image.removesuffix(".png"), card.id)
        assert "sneaker" not in card.image


def test_another_image_changes_no_existing_card(tmp_path):
    folder = tmp_path / "coat"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number}.jpg").write_bytes(b"")
    before = Catalogue(tmp_path)
    (folder / "new.jpg").write_bytes(b"")
    after = Catalogue(tmp_path)
    assert [card for card in after.classes["coat"] if card.path.name != "new.jpg"] == list(
        before.classes["coat"]
    )


@pytest.mark.parametrize("name", ["x.JPG", "no-extension", "odd.p%20g", "a.verylongextension"])
def test_urls_keep_harmless_extensions_only(tmp_path, name):
    (tmp_path / "coat").mkdir()
    (tmp_path / "coat" / name).write_bytes(b"")
    (card,) = (
        card for card in Catalogue(tmp_path).classes["coat"] if card.kind is CardKind.PRODUCT
    )
    assert card.image.removeprefix("/media/").removesuffix(".jpg").isalnum()


def test_urls_mark_feedback_images(tmp_path):
    (tmp_path / "coat").mkdir()
    names = [f"feedback-2026-11-22-{number:016x}.jpg" for number in range(60)]
    for name in (*names, "feedback-x.jpg", "my-feedback-2026-11-22-0.jpg"):
        (tmp_path / "coat" / name).write_bytes(b"")
    cards = Catalogue(tmp_path).classes["coat"]
    assert len({card.image for card in cards}) == len(cards) > 62
    for card in cards:
        is_feedback = card.path.name in names
        assert ("feedback-2026-11-22-" in card.image) == is_feedback
        assert not (is_feedback and card.inline)


def test_large_images_are_not_inlined(tmp_path):
    (tmp_path / "coat").mkdir()
    for number in range(60):
        with (tmp_path / "coat" / f"{number}.jpg").open("wb") as stream:
            stream.truncate(65 * 1024)
    assert {card.inline for card in Catalogue(tmp_path).classes["coat"]} == {None}


@pytest.mark.parametrize("query", ["sneaker", "Sneaker", " SNEAKER "])
def test_class_is_found_by_name_ignoring_case(catalogue, query):
    assert catalogue.find(query) == catalogue.classes["sneaker"]


@pytest.mark.parametrize("query", ["", "hat", "sneak", "boots", "../data"])
def test_other_queries_find_nothing(catalogue, query):
    assert catalogue.find(query) == ()


@pytest.mark.linux
def test_undecodable_names_are_served(tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    (folder / os.fsdecode(b"\xff.png")).write_bytes(b"")
    catalogue = Catalogue(tmp_path)
    (card,) = (card for card in catalogue.find("caf\\udce9") if card.kind is CardKind.PRODUCT)
    assert f"{card.title}{card.image}".encode()


@pytest.mark.linux
def test_links_are_followed_within_the_folder_and_into_the_cache(tmp_path):
    """Neither files nor folders elsewhere on this machine are served."""
    data = tmp_path / "data"
    cached = tmp_path / "cache" / "files" / "md5" / "ab" / ("0" * 30)
    for file in (data / "coat" / "0.png", cached, tmp_path / "private" / "1.png"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
    links = {
        "within": data / "coat" / "0.png",
        "kept": cached,
        "gone": "nowhere",
    }
    for name, target in links.items():
        (data / "coat" / f"{name}.png").symlink_to(target)
    (data / "coat" / "circle.png").symlink_to("circle.png")
    (data / "jacket").symlink_to("coat")
    catalogue = Catalogue(data)
    shown = {(card.label, card.path.name) for card in catalogue.products.values()}
    names = ("0.png", "within.png", "kept.png")
    assert shown == {(label, name) for label in ("coat", "jacket") for name in names}
    for link, target in ((data / "coat" / "out.png", "private/1.png"), (data / "dress", "private")):
        link.symlink_to(tmp_path / target)
        with pytest.raises(DataError, match=f"{link.name} is a link out of data/"):
            Catalogue(data)
        link.unlink()


@pytest.mark.parametrize("folders", [[], ["data"], ["data/.hidden"]])
def test_folder_without_classes_is_refused(tmp_path, folders):
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(DataError, match=r"data has no class folders") as stop:
        Catalogue(tmp_path / "data")
    assert stop.value.next.endswith("pixmill demo")


def test_texts_of_an_image_are_stable():
    key = "trouser/0012.png"
    assert title("trouser", key) == "Twill Trouser No. 417"
    assert price("trouser", key) == 109


def test_backdrops_are_defined_in_the_style_sheet():
    from importlib import resources

    sheet = (resources.files("pixmill.local.shop") / "static" / "shop.css").read_text()
    assert all(f".on-{name} " in sheet and f"--{name}:" in sheet for name in BACKDROPS)
