"""Cards of single images."""

from pixmill.validate.page.cards import ValidationCards
from tests.validate.made import dropped, kept, key, unread, validation


def cards_of(*rows, **more) -> ValidationCards:
    return ValidationCards(validation(rows, **more))


def row(of: ValidationCards, number: int) -> int:
    return int(of.rows([key(number)])[0])


def test_card_has_label_dimensions_format_and_source() -> None:
    made = cards_of(
        kept(1, width=40, height=30, image_url="data/coat/one.png"), dropped(2, "too_small")
    )
    card = made.card(row(made, 1), "brightness 3.0", verdict=True)
    assert (card.id, card.label, card.place) == (key(1), "coat", "data/coat/one.png")
    assert card.facts == ("40 \u00d7 30 png", "brightness 3.0")
    assert card.verdict == "kept"
    assert made.card(row(made, 2), verdict=True).verdict == "dropped: too_small"
    assert made.card(row(made, 2)).verdict == ""


def test_card_of_unreadable_image() -> None:
    made = cards_of(unread(1, "truncated"), kept(2))
    card = made.card(row(made, 1))
    assert (card.facts, card.readable) == ((), False)
    assert made.card(row(made, 2)).readable
