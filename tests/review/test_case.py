"""A case is settled when no doubt is left."""

import pytest

from pixmill.review.doubts import Case
from pixmill.validate.decisions import Decision

LABELS = ["coat", "dress", "coat", None]


def decisions(words):
    """Return decisions as {0: 'keep', 1: 'shoe'}, where another word than a verb is the label of a relabel."""
    return {
        row: Decision(0, "x", word) if word in ("keep", "drop") else Decision(0, "x", "relabel", word)
        for row, word in words.items()
    }


def conflict(*members):
    return Case("conflicts", "", "", members)


@pytest.mark.parametrize(
    ("members", "words", "settled"),
    [
        ((0, 1), {0: "keep"}, True),
        ((0, 1), {0: "drop"}, True),
        ((0, 1, 2), {0: "drop"}, False),
        ((0, 1), {0: "keep", 1: "keep"}, False),
        ((0, 1), {0: "keep", 1: "coat"}, True),
        ((3,), {}, False),
        ((3,), {3: "keep"}, False),
        ((3,), {3: "coat"}, True),
        ((0, 3), {3: "drop"}, True),
        ((0, 3), {0: "drop"}, False),
    ],
)
def test_a_conflict_is_settled_by_one_choice_or_one_label(members, words, settled):
    case = conflict(*members)
    assert case.is_settled(LABELS, decisions(words)) is settled


@pytest.mark.parametrize(
    ("words", "settled"),
    [
        ({}, False),
        ({0: "keep"}, False),
        ({1: "drop"}, True),
        ({0: "keep", 2: "keep"}, True),
    ],
)
def test_near_duplicates_are_settled_when_each_pair_has_a_decision(words, settled):
    case = Case("near-duplicates", "", "", (0, 1, 2), ((0, 1), (1, 2)))
    assert case.is_settled(LABELS, decisions(words)) is settled


@pytest.mark.parametrize("kind", ["labels", "outliers", "dropped"])
def test_a_single_image_is_settled_by_any_decision(kind):
    case = Case(kind, "", "", (1,), beside=(0, 2))
    assert not case.is_settled(LABELS, decisions({0: "keep"}))
    for word in ("keep", "drop", "shoe"):
        assert case.is_settled(LABELS, decisions({1: word}))
