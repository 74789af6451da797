"""A sheet is a random sample of a class's kept pictures, the same each time."""

from pixmill.validate.cards import Deck
from pixmill.validate.sheets import sheets
from tests.validate.tables import dropped, kept, key, validation


def test_a_sheet_holds_kept_pictures_of_its_class_in_no_order_of_their_ids() -> None:
    rows = [kept(number) for number in range(50)] + [kept(100, "shoe"), dropped(101, "too_small", "shoe")]
    dealt = sheets(Deck(validation(rows)), ["coat", "shoe", "hat"])
    drawn = [card.id for card in dealt["coat"]]
    assert len(set(drawn)) == 32
    assert set(drawn) <= {key(number) for number in range(50)}
    assert drawn != sorted(drawn)
    assert [card.id for card in dealt["shoe"]] == [key(100)]
    assert dealt["hat"] == []


def test_more_pictures_leave_most_of_a_sheet_as_it_was() -> None:
    first = sheets(Deck(validation([kept(number) for number in range(100)])), ["coat"])["coat"]
    again = sheets(Deck(validation([kept(number) for number in range(110)])), ["coat"])["coat"]
    assert len({card.id for card in first} & {card.id for card in again}) > 20


def test_with_many_classes_sheets_are_smaller_and_the_first_have_one() -> None:
    labels = [f"class {number:03}" for number in range(310)]
    rows = [kept(100 * place + number, label) for place, label in enumerate(labels) for number in range(15)]
    deck = Deck(validation(rows, classes=labels))
    assert {len(cards) for cards in sheets(deck, labels[:60]).values()} == {10}
    dealt = sheets(deck, labels)
    assert list(dealt) == labels[:300]
    assert {len(cards) for cards in dealt.values()} == {2}
