"""Kept pictures beyond a threshold are shown, the furthest first, unless a person has settled it."""

from pixmill.params import ValidateParams
from pixmill.validate.cards import Deck
from pixmill.validate.doubtful import Doubtful, doubtful
from tests.validate.tables import dropped, kept, key, unread, validation

PARAMS = ValidateParams(blank={"min_entropy": 1.0})


def found(*rows, decided=()) -> dict[str, Doubtful]:
    return {item.title: item for item in doubtful(Deck(validation(rows)), PARAMS, decided=decided)}


def test_the_darkest_come_first_and_only_kept_ones() -> None:
    rows = [kept(number, brightness=float(number)) for number in range(30)]
    dark = found(*rows, dropped(90, "too_small", brightness=0.0), unread(91, "html"))["Dark"]
    assert (dark.count, len(dark.cards), dark.more) == (16, 12, 4)
    assert [card.facts[-1] for card in dark.cards[:2]] == ["brightness 0.0", "brightness 1.0"]
    assert dark.parameter == "validate.dark.min_brightness"


def test_where_none_is_beyond_the_threshold_the_nearest_are_shown() -> None:
    dark = found(*[kept(number, brightness=100.0 + number) for number in range(30)])["Dark"]
    assert (dark.count, dark.more) == (0, 0)
    assert [card.id for card in dark.cards] == [key(number) for number in range(6)]


def test_blank_blurred_and_long_pictures_are_told_with_their_values() -> None:
    rows = [
        kept(1, entropy=0.25),
        kept(2, sharpness=3.14159),
        kept(3, aspect_ratio=0.2, width=100, height=500),
        kept(4, aspect_ratio=6.0, width=600, height=100),
        kept(5, aspect_ratio=4.0),
    ]
    seen = found(*rows)
    told = {title: [(card.id, card.facts[-1]) for card in item.cards] for title, item in seen.items() if item.count}
    assert told == {
        "Blank": [(key(1), "entropy 0.25 bits")],
        "Blurred": [(key(2), "sharpness 3.1")],
        "Long and narrow": [(key(4), "6 times as long as wide"), (key(3), "5 times as long as wide")],
    }


def test_a_picture_that_is_shown_above_is_not_shown_again() -> None:
    seen = found(kept(1, brightness=1.0, sharpness=0.1), kept(2, sharpness=0.5))
    assert [card.id for card in seen["Dark"].cards] == [key(1)]
    blurred = seen["Blurred"]
    assert (blurred.count, blurred.above, blurred.more) == (2, 1, 0)
    assert [card.id for card in blurred.cards] == [key(2)]


def test_what_a_person_decided_to_keep_is_not_in_doubt() -> None:
    dark = found(kept(1, brightness=1.0), kept(2, brightness=2.0), decided=[key(1), "f" * 64])["Dark"]
    assert (dark.count, dark.settled) == (1, 1)
    assert [card.id for card in dark.cards] == [key(2)]


def test_where_nothing_is_kept_nothing_is_in_doubt() -> None:
    assert all(not item.count and not item.cards for item in found(unread(1, "html")).values())
    assert all(not item.count and not item.cards for item in found().values())
