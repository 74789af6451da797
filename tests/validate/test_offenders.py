"""Dropped pictures are shown by reason, of many some, with the pictures that they resemble."""

from pixmill.validate.cards import Deck
from pixmill.validate.offenders import dropped_by_class, offenders
from tests.validate.tables import dropped, kept, key, seen, unread, validation


def test_reasons_come_in_the_order_of_the_vocabulary_with_their_counts() -> None:
    rows = [
        kept(0),
        dropped(1, "too_small"),
        *[unread(number, "truncated", image_url=f"https://a.example/{number}.jpg") for number in range(2, 22)],
        unread(22, "truncated", image_url="HTTPS://b.example?x"),
        unread(23, "html", image_url=None, page_url="http://c.example/page"),
    ]
    found = list(offenders(Deck(validation(rows))))
    assert [(item.reason, item.count, len(item.cards), item.more) for item in found] == [
        ("html", 1, 1, 0),
        ("truncated", 21, 12, 9),
        ("too_small", 1, 1, 0),
    ]
    assert [item.origins for item in found] == [
        [("c.example", 1)],
        [("a.example", 20), ("b.example", 1)],
        [("data/coat", 1)],
    ]


def test_of_many_origins_the_commonest_are_named() -> None:
    rows = [
        unread(10 * host + number, "html", image_url=f"http://{host}.example/")
        for host in range(1, 7)
        for number in range(host)
    ]
    [found] = offenders(Deck(validation(rows)))
    assert found.origins == [("6.example", 6), ("5.example", 5), ("4.example", 4), ("3.example", 3)]
    assert found.elsewhere == 3


def test_copies_stand_beside_what_was_kept_the_largest_set_first() -> None:
    rows = [
        kept(1, pixels="p"),
        dropped(2, f"duplicate_pixels:{key(1)}", pixels="p"),
        kept(3, pixels="q"),
        *[dropped(number, f"duplicate_pixels:{key(3)}", pixels="q") for number in range(4, 14)],
        kept(20, pixels="p", width=50),
    ]
    [found] = offenders(Deck(validation(rows)))
    assert (found.count, found.cards, found.more) == (11, [], 0)
    assert [spread.title for spread in found.spreads] == [
        "11 pictures with the same pixels",
        "2 pictures with the same pixels",
    ]
    assert [(spread.cards[0].id, spread.cards[0].verdict) for spread in found.spreads] == [
        (key(3), "kept"),
        (key(1), "kept"),
    ]
    assert found.spreads[0].more == 5


def test_a_conflict_of_one_file_is_shown_by_itself() -> None:
    made = validation(
        [
            dropped(1, "label_conflict", label=None),
            dropped(2, f"label_conflict:{key(3)}", pixels="p"),
            dropped(3, f"label_conflict:{key(2)}", "shoe", pixels="p"),
        ],
        sightings=[seen(1, "coat"), seen(1, "shoe")],
    )
    [found] = offenders(Deck(made))
    assert [{card.label for card in spread.cards} for spread in found.spreads] == [
        {"coat", "shoe"},
        {"came as coat and shoe"},
    ]
    assert found.spreads[1].title == "The same file under several labels"


def test_near_duplicates_without_number_stand_beside_the_one_that_is_kept() -> None:
    rows = [kept(1), *[dropped(number, f"repeated:{key(1)}") for number in range(2, 6)], kept(9)]
    [found] = offenders(Deck(validation([*rows, dropped(6, f"repeated:{key(9)}")])))
    assert [(spread.title, spread.cards[0].id) for spread in found.spreads] == [
        ("5 near-duplicates", key(1)),
        ("2 near-duplicates", key(9)),
    ]


def test_placeholders_and_leaks_are_counted_here_and_shown_elsewhere() -> None:
    rows = [dropped(1, "placeholder", None), dropped(2, f"leak:{key(3)}", pixels="p"), kept(3, pixels="p")]
    found = list(offenders(Deck(validation(rows))))
    assert [(item.reason, item.count, item.cards, item.spreads, item.more) for item in found] == [
        ("placeholder", 1, [], [], 0),
        ("leak", 1, [], [], 0),
    ]


def test_of_many_sets_some_are_shown_and_the_rest_is_counted() -> None:
    rows = [
        row
        for number in range(20)
        for row in (
            kept(number, pixels=str(number)),
            dropped(100 + number, f"duplicate_pixels:{key(number)}", pixels=str(number)),
        )
    ]
    [found] = offenders(Deck(validation(rows)))
    assert (len(found.spreads), found.more) == (12, 8)


def test_the_table_counts_each_dropped_picture_once() -> None:
    rows = [
        kept(0),
        dropped(1, "too_small", "shoe"),
        dropped(2, f"duplicate_pixels:{key(0)}"),
        dropped(3, "label_conflict", None),
        unread(4, "html", "shoe"),
        unread(5, "html", "shoe"),
    ]
    table = dropped_by_class(Deck(validation(rows)))
    assert list(table.columns) == ["html", "too_small", "label_conflict", "duplicate_pixels"]
    assert table.to_dict("index") == {
        "coat": {"html": 0, "too_small": 0, "label_conflict": 0, "duplicate_pixels": 1},
        "shoe": {"html": 2, "too_small": 1, "label_conflict": 0, "duplicate_pixels": 0},
        "several labels": {"html": 0, "too_small": 0, "label_conflict": 1, "duplicate_pixels": 0},
    }
    assert len(dropped_by_class(Deck(validation([kept(0)])))) == 0
