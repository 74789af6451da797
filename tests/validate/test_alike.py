"""Near-duplicates stand side by side, those with different labels first."""

from pixmill.validate import Decision
from pixmill.validate.alike import leaks, near_duplicates, placeholders, repeated_files
from pixmill.validate.cards import Deck, Spread
from tests.validate.tables import dropped, kept, key, seen, validation


def near(rows, pairs, followed=None) -> tuple[list[Spread], int]:
    made = validation(rows, pairs=pairs, followed=followed)
    return near_duplicates(Deck(made), made.pairs, made.pairs_across_labels())


def group(leader: int, *members: int, label: str = "coat") -> list[dict]:
    return [kept(number, label, group=key(leader)) for number in (leader, *members)]


def test_groups_across_labels_come_first_then_the_largest() -> None:
    rows = [*group(1, 2, 3), *group(4, 5), *group(6), kept(7, "shoe", group=key(6)), kept(8)]
    pairs = [(1, 2, 0.991), (2, 3, 0.995), (4, 5, 0.999), (6, 7, 1.0)]
    spreads, count = near(rows, pairs)
    assert count == 3
    assert [spread.title for spread in spreads] == [
        "2 pictures, 1.0000 alike",
        "3 pictures, 0.9910 to 0.9950 alike",
        "2 pictures, 0.9990 alike",
    ]
    assert [spread.warning for spread in spreads] == ["under different labels", "", ""]
    told = {card.id: card.facts[-1] for card in spreads[1].cards}
    assert told == {
        key(1): "0.9910 like its nearest",
        key(2): "0.9950 like its nearest",
        key(3): "0.9950 like its nearest",
    }


def test_a_pair_across_labels_that_joins_two_groups_is_shown_by_itself() -> None:
    rows = [*group(1, 2), kept(3, "shoe"), kept(4)]
    spreads, count = near(rows, [(1, 2, 0.99), (2, 3, 0.993), (2, 4, 0.994)])
    assert count == 2
    assert [({card.id for card in spread.cards}, bool(spread.warning)) for spread in spreads] == [
        ({key(2), key(3)}, True),
        ({key(1), key(2)}, False),
    ]


def test_each_label_of_a_large_group_is_shown() -> None:
    rows = [*group(1, *range(2, 40)), *group(1, label="shoe")[1:], kept(99, "shoe", group=key(1))]
    [spread], _ = near(rows, [(1, number, 0.99) for number in [*range(2, 40), 99]])
    assert {card.label for card in spread.cards} == {"coat", "shoe"}
    assert (len(spread.cards), spread.more) == (6, 34)


def test_labels_that_a_person_decided_are_no_warning() -> None:
    rows, pairs = [*group(1), kept(2, "shoe", group=key(1))], [(1, 2, 0.99)]
    decided = {number: Decision(number, key(number), "keep") for number in (1, 2)}
    assert [spread.warning for spread in near(rows, pairs)[0]] == ["under different labels"]
    assert [spread.warning for spread in near(rows, pairs, decided)[0]] == [""]


def test_of_many_groups_some_are_shown_and_all_are_counted() -> None:
    rows = [row for number in range(20) for row in group(number, 100 + number)]
    spreads, count = near(rows, [(number, 100 + number, 0.99) for number in range(20)])
    assert (len(spreads), count) == (12, 20)


def test_without_near_duplicates_there_is_nothing_to_show() -> None:
    assert near([kept(1), kept(2)], []) == ([], 0)
    assert near([], []) == ([], 0)


def test_a_file_that_was_seen_often_is_told_with_its_places() -> None:
    sightings = [seen(1, "coat", f"data/coat/{number}.png") for number in range(5)]
    made = validation([kept(1), kept(2), kept(3)], sightings=[*sightings, seen(2), seen(3), seen(3, "shoe")])
    repeated, files = repeated_files(Deck(made))
    assert files == 2
    assert [(card.id, card.facts[-1]) for card in repeated] == [(key(1), "seen 5 times"), (key(3), "seen 2 times")]
    assert repeated[0].place == "data/coat/0.png, data/coat/1.png, data/coat/2.png and 2 more"


def test_placeholders_are_told_with_how_often_and_as_what_they_came() -> None:
    made = validation(
        [dropped(1, "placeholder", None), kept(2), kept(3)],
        sightings=[seen(1, label, f"{label}/{number}") for label in ("coat", "shoe") for number in range(20)],
        repeated=[
            (1, "placeholder", 1, 40, "coat, shoe"),
            (2, "placeholder", 7, 99, "coat"),
            (3, "conflict", 2, 2, "coat, shoe"),
        ],
    )
    cards, count = placeholders(Deck(made), made.repeated)
    assert count == 2
    assert [(card.id, card.verdict, card.facts[1:]) for card in cards] == [
        (key(2), "kept", ("7 files, 99 addresses", "as coat")),
        (key(1), "dropped: placeholder", ("1 file, 40 addresses",)),
    ]
    assert cards[1].place == "coat/0, coat/1, coat/2 and 37 more"


def test_leaks_are_shown_with_both_places() -> None:
    made = validation(
        [kept(1), dropped(2, f"leak:{key(3)}"), kept(3)],
        leaks=[
            (1, "train", "data/train/coat/a.png", 1, "test", "data/test/coat/b.png"),
            (2, "train", "data/train/coat/c.png", 3, "val", "data/val/coat/d.png"),
        ],
    )
    same, alike = leaks(Deck(made), made.leaks)
    assert (same.title, [(card.id, card.facts[-1], card.place) for card in same.cards]) == (
        "The same file",
        [(key(1), "in train", "data/train/coat/a.png"), (key(1), "in test", "data/test/coat/b.png")],
    )
    assert (alike.title, [(card.id, card.facts[-1]) for card in alike.cards]) == (
        "The same pixels",
        [(key(2), "in train"), (key(3), "in val")],
    )
