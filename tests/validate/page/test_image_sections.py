"""The sections of the page that show images."""

from typing import Any

from pixmill.core.params import ValidateParams
from pixmill.validate.page.cards import ImageSet, ValidationCards
from pixmill.validate.page.image_sections import (
    beyond_threshold,
    count_dropped_by_class,
    leaks,
    near_duplicates,
    offenders,
)
from tests.validate.made import dropped, kept, key, unread, validation


def test_reasons_are_sorted_and_counted() -> None:
    truncated = [unread(number, "truncated") for number in range(2, 23)]
    rows = [kept(0), dropped(1, "too_small"), *truncated, unread(23, "html")]
    found = list(offenders(ValidationCards(validation(rows))))
    assert [
        (item["reason"], item["count"], len(item["cards"]), item["more"]) for item in found
    ] == [
        ("html", 1, 1, 0),
        ("truncated", 21, 12, 9),
        ("too_small", 1, 1, 0),
    ]


def test_copies_are_shown_with_the_kept_image_largest_set_first() -> None:
    rows = [
        kept(1, pixels="p"),
        dropped(2, f"duplicate_pixels:{key(1)}", pixels="p"),
        kept(3, pixels="q"),
        *[dropped(number, f"duplicate_pixels:{key(3)}", pixels="q") for number in range(4, 14)],
        kept(20, pixels="p", width=50),
    ]
    [found] = offenders(ValidationCards(validation(rows)))
    assert (found["count"], found["cards"], found["more"]) == (11, [], 0)
    assert [image_set.title for image_set in found["image_sets"]] == [
        "11 images with the same pixels",
        "2 images with the same pixels",
    ]
    assert [
        (image_set.cards[0].id, image_set.cards[0].verdict) for image_set in found["image_sets"]
    ] == [
        (key(3), "kept"),
        (key(1), "kept"),
    ]
    assert found["image_sets"][0].more == 5


def test_counts_dropped_images_by_class_and_reason() -> None:
    rows = [
        kept(0),
        dropped(1, "too_small", "shoe"),
        dropped(2, f"duplicate_pixels:{key(0)}"),
        dropped(3, "label_conflict", None),
        unread(4, "html", "shoe"),
        unread(5, "html", "shoe"),
    ]
    table = count_dropped_by_class(ValidationCards(validation(rows)))
    assert list(table.columns) == ["html", "too_small", "label_conflict", "duplicate_pixels"]
    assert table.to_dict("index") == {
        "coat": {"html": 0, "too_small": 0, "label_conflict": 0, "duplicate_pixels": 1},
        "shoe": {"html": 2, "too_small": 1, "label_conflict": 0, "duplicate_pixels": 0},
        "several labels": {"html": 0, "too_small": 0, "label_conflict": 1, "duplicate_pixels": 0},
    }
    assert len(count_dropped_by_class(ValidationCards(validation([kept(0)])))) == 0


PARAMS = ValidateParams(blank={"min_entropy": 1.0})


def found(*rows, decided=()) -> dict[str, dict[str, Any]]:
    return {
        item["title"]: item
        for item in beyond_threshold(ValidationCards(validation(rows)), PARAMS, decided=decided)
    }


def test_shows_darkest_kept_images_first() -> None:
    rows = [kept(number, brightness=float(number)) for number in range(30)]
    dark = found(*rows, dropped(90, "too_small", brightness=0.0), unread(91, "html"))["Dark"]
    assert (dark["count"], len(dark["cards"]), dark["more"]) == (16, 12, 4)
    assert [card.facts[-1] for card in dark["cards"][:2]] == ["brightness 0.0", "brightness 1.0"]
    assert dark["parameter"] == "validate.dark.min_brightness"


def test_decided_images_need_no_review() -> None:
    dark = found(kept(1, brightness=1.0), kept(2, brightness=2.0), decided=[key(1), "f" * 64])[
        "Dark"
    ]
    assert (dark["count"], dark["settled"]) == (1, 1)
    assert [card.id for card in dark["cards"]] == [key(2)]


def near(rows, pairs, followed=None) -> tuple[list[ImageSet], int]:
    made = validation(rows, pairs=pairs, followed=followed)
    found = near_duplicates(ValidationCards(made), made.pairs, made.pairs_across_labels())
    return found.shown, found.total


def group(leader: int, *members: int, label: str = "coat") -> list[dict]:
    return [kept(number, label, group=key(leader)) for number in (leader, *members)]


def test_groups_with_different_labels_come_first() -> None:
    rows = [*group(1, 2, 3), *group(4, 5), *group(6), kept(7, "shoe", group=key(6)), kept(8)]
    pairs = [(1, 2, 0.991), (2, 3, 0.995), (4, 5, 0.999), (6, 7, 1.0)]
    image_sets, count = near(rows, pairs)
    assert count == 3
    assert [image_set.title for image_set in image_sets] == [
        "2 images, similarity 1.0000",
        "3 images, similarity 0.9910 to 0.9950",
        "2 images, similarity 0.9990",
    ]
    assert [image_set.warning for image_set in image_sets] == ["different labels", "", ""]


def test_leaks_show_both_files() -> None:
    made = validation(
        [kept(1), dropped(2, f"leak:{key(3)}"), kept(3)],
        leaks=[
            (1, "train", "data/train/coat/a.png", 1, "test", "data/test/coat/b.png"),
            (2, "train", "data/train/coat/c.png", 3, "val", "data/val/coat/d.png"),
        ],
    )
    same, alike = leaks(ValidationCards(made), made.leaks).shown
    assert (same.title, [(card.id, card.facts[-1], card.place) for card in same.cards]) == (
        "The same file",
        [
            (key(1), "in train", "data/train/coat/a.png"),
            (key(1), "in test", "data/test/coat/b.png"),
        ],
    )
    assert (alike.title, [(card.id, card.facts[-1]) for card in alike.cards]) == (
        "The same pixels",
        [(key(2), "in train"), (key(3), "in val")],
    )
