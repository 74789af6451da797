"""The queue holds all that is in doubt, once, and the most doubtful first."""

import re

import hypothesis.strategies as st
import pandas as pd
import pytest
from hypothesis import given

from pixmill.review.doubts import KINDS, SHOWN, Case, find_doubts
from pixmill.review.material import ReviewData
from pixmill.validate.reasons import REASONS, UNREADABLE
from tests.review.conftest import Project


def ids(material, case):
    return [material.ids[row] for row in case.members]


@pytest.fixture
def dirty(project):
    """A project with one doubt of each kind, and those of near-duplicates across and within."""
    coats, dresses = project.fill("coat", 20), project.fill("dress", 20)
    project.add(None, came_as=["coat", "dress"], reason="label_conflict")
    project.link(coats[0], coats[1], 0.9999)
    project.link(coats[2], dresses[0], 0.991)
    project.rows[coats[5]] |= {"brightness": 1.0}
    project.add("coat", reason="too_small")
    project.suspect({dresses[19]: "coat"})
    # One image that is wrong, one that is uncertain, one that is both, and was right at the base.
    project.predict({coats[7]: (0.1, 0.9, 0), coats[8]: (0.5, 0.4, 0.1), coats[9]: (0.4, 0.5, 0.1)})
    return project


def flips(material):
    """Return the one flip of a dirty project, as a comparison has it."""
    name = next(row["id"] for row in material.predictions.to_dict("records") if row["p_dress"] == 0.5)
    columns = {"id": name, "label": "coat", "head_predicted": "dress", "base_confidence": 0.9, "head_confidence": 0.5}
    return pd.DataFrame([columns | {"gained": False}])


def test_every_kind_of_doubt_is_found_in_order(dirty):
    material = dirty.material()
    first, *cases = find_doubts(material, [Case("feedback", "", "", (0,))], flips=flips(material))
    conflict, across, *others = cases
    kinds = [first.kind, conflict.kind, *(case.kind for case in others)]
    # Near-duplicates with different labels ask for the label, as conflicts do; others can wait.
    assert across.kind == "near-duplicates"
    assert list(dict.fromkeys(kinds)) == list(KINDS)
    assert kinds == sorted(kinds, key=KINDS.index)
    within = next(case for case in others if case.kind == "near-duplicates")
    assert conflict.why == "The same image was found as coat and dress. Which label is right?"
    assert across.title == "Near-duplicates with different labels"
    assert re.fullmatch(
        "2 images of (coat and dress|dress and coat)[.] Which label is right, and which images do you keep[?]",
        across.why,
    )
    assert within.why == "2 images of coat. Which do you keep?"
    label = next(case for case in cases if case.kind == "labels")
    assert (label.suggestion, [material.labels[row] for row in label.members]) == ("coat", ["dress"])
    assert [material.labels[row] for row in label.beside] == ["dress", "dress", "coat", "coat"]
    outlier = next(case for case in cases if case.kind == "outliers")
    assert "Unlike other images of 'coat': brightness" in outlier.why
    assert cases[-1].why == "A side is shorter than validate.image_size allows. Keep it anyway?"


@pytest.mark.parametrize("kind", KINDS)
def test_one_kind_can_be_asked_for(dirty, kind):
    material = dirty.material()
    whole = find_doubts(material, flips=flips(material))
    alone = find_doubts(material, flips=flips(material), only=kind)
    assert [case for case in whole if case.kind == kind] == [case for case in alone if case in whole]
    assert len(alone) - len([case for case in whole if case.kind == kind]) == {"errors": 1, "uncertain": 1}.get(kind, 0)


def test_a_conflict_shows_all_files_of_the_pixels(project):
    same = {"pixels": "e" * 64}
    coats = [project.add("coat", reason="label_conflict:x", **same) for _ in range(12)]
    shoe = project.add("shoe", reason="label_conflict:x", **same)
    copy = project.add("shoe", reason="duplicate_pixels:x", **same)
    other = project.add("coat", pixels="e" * 64, width=49, reason="label_conflict:x")
    project.add("dress", pixels="e" * 64, height=50)
    material = project.material()
    (first, second) = sorted(find_doubts(material, only="conflicts"), key=lambda case: -len(case.members))
    assert set(ids(material, first)) == {*coats, shoe, copy}
    assert ids(material, second) == [other]


def test_what_a_decision_can_change_may_be_rescued(project):
    for name in REASONS:
        project.add("coat", reason=name)
    found = [case.title.removeprefix("Dropped: ") for case in find_doubts(project.material(), only="dropped")]
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
        st.tuples(st.integers(0, 24), st.integers(0, 24), st.sampled_from([0.99, 0.995, 0.999])), max_size=80
    )
)
def test_each_pair_is_in_one_case_of_few_images(many, edges):
    project = many
    pairs = {(min(a, b), max(a, b)): likeness for a, b, likeness in edges if a != b}
    project.pairs = {}
    names = sorted(project.rows)
    for (a, b), likeness in pairs.items():
        project.link(names[a], names[b], likeness)
    manifest, table, sightings = project.tables()
    material = ReviewData(manifest, table.astype({"similarity": float}), sightings)
    cases = find_doubts(material, only="near-duplicates")
    assert sorted(tuple(sorted(link)) for case in cases for link in case.links) == sorted(pairs)
    across = [len({material.labels[row] for row in case.members}) > 1 for case in cases]
    for case, crossing in zip(cases, across, strict=True):
        assert 2 <= len(set(case.members)) == len(case.members) <= SHOWN
        assert ("different labels" in case.title) == any(
            material.labels[a] != material.labels[b] for a, b in case.links
        )
        assert crossing == ("different labels" in case.title)
    assert across == sorted(across, reverse=True)
