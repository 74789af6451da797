"""Cases: which are found, in which order, and when they are settled."""

import re

import hypothesis.strategies as st
import pandas as pd
import pytest
from hypothesis import given

from pixmill.core.decisions import Decided, Row
from pixmill.review.cases import KINDS, MAX_SHOWN, Case, find_cases
from pixmill.review.review_tables import ReviewTables
from pixmill.validate.reasons import REASONS, UNREADABLE
from tests.review.conftest import Project


def ids(tables, case):
    return [tables.ids[row] for row in case.members]


@pytest.fixture
def dirty(project):
    """A project with a case of each kind, and near-duplicates of one and of two labels."""
    coats = project.fill("coat", 20)
    dresses = project.fill("dress", 20)
    project.add(None, came_as=["coat", "dress"], reason="label_conflict")
    project.disputed = project.add("shoe")
    project.link(coats[0], coats[1], 0.9999)
    project.link(coats[2], dresses[0], 0.991)
    project.rows[coats[5]] |= {"brightness": 1.0}
    project.add("coat", reason="too_small")
    project.suspect({dresses[19]: "coat"})
    # A wrong prediction, an uncertain one, and a wrong one that the base predicts correctly.
    project.predict({coats[7]: (0.1, 0.9, 0), coats[8]: (0.5, 0.4, 0.1), coats[9]: (0.4, 0.5, 0.1)})
    return project


def flips(tables):
    """Return the flip of the ``dirty`` project."""
    name = next(row["id"] for row in tables.predictions.to_dict("records") if row["p_dress"] == 0.5)
    columns = {
        "id": name,
        "label": "coat",
        "head_predicted": "dress",
        "base_confidence": 0.9,
        "head_confidence": 0.5,
    }
    return pd.DataFrame([columns | {"gained": False}])


def dispute(dirty, tables):
    """Return what people say about the disputed image of the ``dirty`` project."""
    name = dirty.disputed
    rows = Row(name, "coat", by="ann"), Row(name, "shoe", by="bob")
    return {tables.row(name): Decided(rows)}


def test_finds_all_kinds_in_order(dirty):
    tables = dirty.tables()
    feedback = [Case("feedback", "", "", (0,))]
    first, disputed, *cases = find_cases(
        tables, feedback, flips=flips(tables), decided=dispute(dirty, tables)
    )
    assert disputed.why == "coat (ann) and shoe (bob). What is right?"
    conflict, across, *others = cases
    kinds = [first.kind, disputed.kind, conflict.kind, *(case.kind for case in others)]
    # Near-duplicates with different labels follow the conflicts; others come later.
    assert across.kind == "near-duplicates"
    assert list(dict.fromkeys(kinds)) == list(KINDS)
    assert kinds == sorted(kinds, key=KINDS.index)
    within = next(case for case in others if case.kind == "near-duplicates")
    assert conflict.why == "The same image was found as coat and dress. Which label is right?"
    assert across.title == "Near-duplicates with different labels"
    assert re.fullmatch(
        (
            "2 images of (coat and dress|dress and coat)[.] Which label is right, and which images "
            "do you keep[?]"
        ),
        across.why,
    )
    assert within.why == "2 images of coat. Which do you keep?"
    label = next(case for case in cases if case.kind == "labels")
    assert (label.suggestion, [tables.labels[row] for row in label.members]) == ("coat", ["dress"])
    outlier = next(case for case in cases if case.kind == "outliers")
    assert "Unlike other images of 'coat': brightness" in outlier.why
    assert cases[-1].why == "A side is shorter than validate.image_size allows. Keep it anyway?"


@pytest.mark.parametrize("kind", KINDS)
def test_only_one_kind(dirty, kind):
    tables = dirty.tables()
    options = {"flips": flips(tables), "decided": dispute(dirty, tables)}
    whole = find_cases(tables, **options)
    alone = find_cases(tables, **options, only=kind)
    assert [case for case in whole if case.kind == kind] == [
        case for case in alone if case in whole
    ]
    assert len(alone) - len([case for case in whole if case.kind == kind]) == {
        "errors": 1,
        "uncertain": 1,
    }.get(kind, 0)


def test_a_conflict_shows_all_images_of_the_pixels(project):
    same = {"pixels": "e" * 64}
    coats = [project.add("coat", reason="label_conflict:x", **same) for _ in range(12)]
    shoe = project.add("shoe", reason="label_conflict:x", **same)
    copy = project.add("shoe", reason="duplicate_pixels:x", **same)
    other = project.add("coat", pixels="e" * 64, width=49, reason="label_conflict:x")
    project.add("dress", pixels="e" * 64, height=50)
    tables = project.tables()
    (first, second) = sorted(
        find_cases(tables, only="conflicts"), key=lambda case: -len(case.members)
    )
    assert set(ids(tables, first)) == {*coats, shoe, copy}
    assert ids(tables, second) == [other]


def test_overridable_drops(project):
    for name in REASONS:
        project.add("coat", reason=name)
    found = [
        case.title.removeprefix("Dropped: ")
        for case in find_cases(project.tables(), only="dropped")
    ]
    assert found == ["too_small", "format_not_allowed", "label_undeclared", "placeholder"]
    assert not set(found) & set(UNREADABLE)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("many"))
    for number in range(25):
        project.add("coat" if number % 3 else "dress")
    return project


@given(
    edges=st.lists(
        st.tuples(st.integers(0, 24), st.integers(0, 24), st.sampled_from([0.99, 0.995, 0.999])),
        max_size=80,
    )
)
def test_each_pair_is_in_one_case_of_limited_size(many, edges):
    project = many
    pairs = {(min(a, b), max(a, b)): similarity for a, b, similarity in edges if a != b}
    project.pairs = {}
    names = sorted(project.rows)
    for (a, b), similarity in pairs.items():
        project.link(names[a], names[b], similarity)
    manifest, table, sightings = project.frames()
    tables = ReviewTables(manifest, table.astype({"similarity": float}), sightings)
    cases = find_cases(tables, only="near-duplicates")
    assert sorted(tuple(sorted(link)) for case in cases for link in case.links) == sorted(pairs)
    across = [len({tables.labels[row] for row in case.members}) > 1 for case in cases]
    for case, crossing in zip(cases, across, strict=True):
        assert 2 <= len(set(case.members)) == len(case.members) <= MAX_SHOWN
        assert ("different labels" in case.title) == any(
            tables.labels[a] != tables.labels[b] for a, b in case.links
        )
        assert crossing == ("different labels" in case.title)
    assert across == sorted(across, reverse=True)


LABELS = ["coat", "dress", "coat", None]


def decisions(words):
    """Return what is decided from ``{0: 'keep', 1: 'shoe'}``; other words are labels."""
    rows = {
        row: Row("x", "", word) if word in ("keep", "drop") else Row("x", word)
        for row, word in words.items()
    }
    return {row: Decided((one,)) for row, one in rows.items()}


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
    case = Case(kind, "", "", (1,), comparison=(0, 2))
    assert not case.is_settled(LABELS, decisions({0: "keep"}))
    for word in ("keep", "drop", "shoe"):
        assert case.is_settled(LABELS, decisions({1: word}))
