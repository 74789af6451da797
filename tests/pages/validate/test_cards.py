"""Cards of single images."""

from pixmill.pages.validate.cards import ValidationCards
from tests.validate.made import dropped, kept, key, seen, unread, validation


def cards_of(*rows, **more) -> ValidationCards:
    return ValidationCards(validation(rows, **more))


def row(of: ValidationCards, number: int) -> int:
    return int(of.rows([key(number)])[0])


def test_a_card_says_label_size_format_and_where_it_came_from() -> None:
    made = cards_of(kept(1, width=40, height=30, image_url="data/coat/one.png"), dropped(2, "too_small"))
    card = made.card(row(made, 1), "brightness 3.0", verdict=True)
    assert (card.id, card.label, card.place) == (key(1), "coat", "data/coat/one.png")
    assert card.facts == ("40 \u00d7 30 png", "brightness 3.0")
    assert card.verdict == "kept"
    assert made.card(row(made, 2), verdict=True).verdict == "dropped: too_small"
    assert made.card(row(made, 2)).verdict == ""


def test_hashes_in_a_place_are_shortened() -> None:
    digest = "0123456789abcdef" * 4
    made = cards_of(
        kept(1, image_url=f"http://a.test/media/{digest}.png"), kept(2, image_url="data/coat/decade-2026.png")
    )
    card = made.card(row(made, 1))
    assert (card.place, card.short_place) == (f"http://a.test/media/{digest}.png", "http://a.test/media/0123456789ab…")
    assert made.card(row(made, 2)).short_place == "data/coat/decade-2026.png"


def test_what_could_not_be_decoded_has_no_size_and_nothing_to_show() -> None:
    made = cards_of(unread(1, "truncated", bytes=77), kept(2))
    card = made.card(row(made, 1))
    assert (card.facts, card.readable, card.bytes) == ((), False, 77)
    assert made.card(row(made, 2)).readable


def test_an_image_under_several_labels_says_which() -> None:
    made = cards_of(
        dropped(1, "label_conflict", label=None),
        sightings=[seen(1, "shoe"), seen(1, "coat"), seen(1, "coat", "elsewhere"), seen(2, "coat")],
    )
    card = made.card(row(made, 1), everywhere=True)
    assert card.label == "labelled coat and shoe"
    assert card.place == "data/shoe/0001.png, data/coat/0001.png, elsewhere"
    assert made.times.tolist() == [3]


def test_an_inlined_image_is_found_by_its_page_or_by_its_file() -> None:
    page = "http://shop.pixmill.test/search?q=coat"
    made = cards_of(kept(1, image_url=None, page_url=page), kept(2, image_url=None))
    assert made.card(row(made, 1)).place == f"inlined in {page}"
    assert made.card(row(made, 2)).place.startswith("artifacts/scrape/images/")
    assert made.card(row(made, 2), everywhere=True).place.startswith("artifacts/scrape/images/")


def test_of_many_places_the_first_are_named_and_the_rest_is_counted() -> None:
    made = cards_of(kept(1), sightings=[seen(1, "coat", f"data/coat/{number}.png") for number in range(5)])
    assert made.places(0) == "data/coat/0.png, data/coat/1.png, data/coat/2.png and 2 more"


def test_of_many_members_the_first_are_shown_and_the_rest_is_counted() -> None:
    made = cards_of(*[kept(number) for number in range(9)])
    image_set = made.image_set("alike", list(range(9)), facts=[f"fact {number}" for number in range(9)])
    assert (len(image_set.cards), image_set.more) == (6, 3)
    assert [card.facts[-1] for card in image_set.cards] == [f"fact {number}" for number in range(6)]


def test_an_unknown_id_has_no_row() -> None:
    assert cards_of(kept(1)).rows([key(1), key(2), None]).tolist() == [0, -1, -1]


def test_an_empty_manifest_makes_a_deck() -> None:
    assert cards_of().times.tolist() == []
