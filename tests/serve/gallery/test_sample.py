"""The sample of a stream of predictions is deterministic and bounded."""

import random

from pixmill.heads import head_of
from pixmill.serve.predict.gallery.sample import Sample
from tests.serve.gallery.made import row, unread

LABELS = ("coat", "shoe", "shirt")


def taken(rows, labels=LABELS) -> Sample:
    sample = Sample(labels)
    for each in rows:
        sample.add(each)
    return sample


def rows(n: int, labels=LABELS, seed: int = 0):
    chance = random.Random(seed)
    return [row(labels, number, [chance.random() for _ in labels]) for number in range(n)]


def test_counts_all_rows() -> None:
    sample = taken(
        [
            row(LABELS, 1, [8, 1, 1]),
            row(LABELS, 2, [4, 3, 3]),
            row(LABELS, 3, [0, 1, 0]),
            unread("a", "html"),
        ]
    )
    assert (sample.n, sample.read, sample.unsure) == (4, 3, 1)
    assert [(of.label, of.n, of.unsure) for of in sample.classes] == [
        ("coat", 2, 1),
        ("shoe", 1, 0),
    ]
    assert {reason: (of.n, of.paths) for reason, of in sample.failures} == {"html": (1, ["a"])}
    sure, unsure = sample.histogram
    assert {place: n for place, n in enumerate(sure) if n} == {16: 1, 19: 1}
    assert {place: n for place, n in enumerate(unsure) if n} == {8: 1}


def test_least_and_most_certain_images() -> None:
    table = rows(2000)
    sample = taken(table)
    ordered = sorted(table, key=lambda row: row["confidence"])
    assert [guess.path for guess in sample.least] == [row["path"] for row in ordered[:48]]
    for of in sample.classes:
        of_class = [row["path"] for row in ordered if row["predicted"] == of.label]
        most, least = of.examples(16)
        assert [guess.path for guess in most] == of_class[::-1][:16]
        assert [guess.path for guess in least] == of_class[:16][::-1]


def test_images_unlike_the_training_images() -> None:
    table = [{**each, "unlike": number % 3 == 0} for number, each in enumerate(rows(30))]
    strange = [guess.path for guess in taken(table).strange]
    assert {*strange} == {each["path"] for each in table if each["unlike"]}


def test_random_sample_is_independent_of_order_and_confidence() -> None:
    table = rows(2000)
    shown = [guess.path for guess in taken(table).random]
    assert len(set(shown)) == 48
    assert [guess.path for guess in taken(table[::-1]).random] == shown
    places = sorted(int(path.split("/")[1].split(".")[0]) for path in shown)
    assert places[8] < 1000 < places[-8]
    middle = sum(guess.confidence for guess in taken(table).random) / 48
    assert abs(middle - sum(row["confidence"] for row in table) / 2000) < 0.05


def test_keeps_fewer_images_per_class_with_more_classes() -> None:
    labels = tuple(f"class {number}" for number in range(100))
    table = [
        row(
            labels,
            number,
            [float(place == number % 100) + (number % 7) / 100 for place in range(100)],
        )
        for number in range(1000)
    ]
    sample = taken(table, labels)
    assert sample.limit == 3
    assert all([len(kind) for kind in of.examples(sample.limit)] == [3, 3] for of in sample.classes)


def test_counts_an_image_for_each_of_its_labels() -> None:
    sample = Sample(LABELS, head_of("labels"))
    for number, predicted in enumerate(("coat;shirt", "coat", "")):
        sample.add(row(LABELS, number, [8, 1, 1]) | {"predicted": predicted})
    assert {of.label: of.n for of in sample.classes} == {"coat": 2, "shirt": 1, "none of these": 1}
    assert {guess.label for guess in sample.random} == {"coat, shirt", "coat", "none of these"}
    assert (sample.n, sample.read) == (3, 3)
