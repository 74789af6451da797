"""Cases from evaluate: label issues, errors, uncertain predictions and flips."""

from collections import Counter

import pandas as pd
import pytest

from pixmill.core.decisions import Decided, Row
from pixmill.project.findings import count_label_issues
from pixmill.review.cases import find_cases
from pixmill.review.review_tables import load_tables
from tests.review.conftest import CLASSES

WRONG = (0.2, 0.7, 0.1)
WORSE = (0.01, 0.98, 0.01)
"""Probabilities of coat, dress and shoe for an image of a coat."""


@pytest.fixture
def coats(project):
    """Ids of 40 coats, in a project that also has 40 dresses and 40 shoes."""
    names, *_ = (project.fill(label, 40, brightness=120.0) for label in CLASSES)
    project.predict({})
    return names


def shown(project, *, only=None, flips=None, decided=()):
    """Return the cases as (kind, id of the image, reason, suggestion)."""
    tables = load_tables(project.write().root)
    rows = {tables.row(name): Decided((Row(name, "", "keep"),)) for name in decided}
    cases = find_cases(tables, flips=flips, decided=rows, only=only)
    return [(case.kind, tables.ids[case.members[0]], case.why, case.suggestion) for case in cases]


def images(project, only, **options):
    return [name for _, name, _, _ in shown(project, only=only, **options)]


def lost(names):
    """Return flips of a comparison: images that the base predicts correctly."""
    flips = {"id": names, "label": "coat", "base_predicted": "coat", "head_predicted": "dress"}
    shares = {"base_confidence": 0.876, "head_confidence": 0.912}
    return pd.DataFrame(flips | shares | {"gained": False}, index=range(len(names)))


def test_errors_are_sorted_by_confidence(project, coats):
    project.predict({coats[1]: WORSE}, split="train")
    assert images(project, "errors") == []
    project.predict({coats[3]: WRONG, coats[5]: WORSE}, split="val")
    (_, first, why, suggestion), (_, second, _, _) = shown(project, only="errors")
    assert (first, second) == (coats[5], coats[3])
    assert why == (
        "Labelled 'coat', but the model, which was not trained on this image, says 'dress' (98 %)."
    )
    assert suggestion == "dress"


def test_label_issues_are_sorted_by_rank(project, coats):
    (dress,) = [name for name, row in project.rows.items() if row["label"] == "dress"][7:8]
    project.suspect({coats[3]: "dress", dress: "coat", coats[11]: "dress"})
    tables = load_tables(project.write().root)
    cases = find_cases(tables, only="labels")
    assert [tables.ids[row] for case in cases for row in case.members] == [
        coats[3],
        dress,
        coats[11],
    ]
    assert [case.suggestion for case in cases] == ["dress", "coat", "dress"]
    assert cases[0].why.endswith("The project's model says: coat 100 %.")


def test_uncertain_predictions_have_two_nearly_equal_classes(project, coats):
    project.predict(
        {
            coats[1]: (0.5, 0.45, 0.05),
            coats[2]: (0.4, 0.41, 0.19),
            coats[3]: (0.4, 0.19, 0.41),
            coats[4]: (0.6, 0.4, 0),
        },
        split="train",
    )
    found = shown(project, only="uncertain")
    assert [name for _, name, _, _ in found] == [*sorted(coats[2:4]), coats[1]]
    assert found[-1][2:] == (
        "Labelled 'coat'. The model finds 'coat' (50 %) as likely as 'dress' (45 %).",
        "dress",
    )
    assert {name: other for _, name, _, other in found[:2]} == {coats[2]: "dress", coats[3]: "shoe"}


def test_an_image_is_shown_under_the_most_urgent_kind_only(project, coats):
    uncertain = (0.45, 0.5, 0.05)
    names = {
        "labels": coats[1],
        "flips": coats[0],
        "errors": coats[2],
        "uncertain": coats[3],
        "outliers": coats[4],
    }
    project.suspect({names["labels"]: "dress"})
    wrong = dict.fromkeys(names.values(), uncertain)
    project.predict(wrong | {names["uncertain"]: (0.5, 0.45, 0.05), names["outliers"]: (1, 0, 0)})
    for name in names.values():
        project.rows[name]["brightness"] = 1.0
    assert [
        case[:2] for case in shown(project, flips=lost([names["flips"], names["labels"]]))
    ] == list(names.items())
    # With `only`, a kind is complete.
    assert set(images(project, "errors")) == {names["flips"], names["labels"], names["errors"]}
    assert set(images(project, "outliers")) == set(names.values())


def test_skips_dropped_relabelled_and_removed_images(project, coats):
    shares = dict.fromkeys(coats[:4], (0.4, 0.5, 0.1))
    project.predict(shares)
    project.suspect(dict.fromkeys(shares, "dress"))
    project.rows[coats[0]] |= {"verdict": "drop", "reason": "review"}
    project.rows[coats[1]]["label"] = "dress"
    del project.rows[coats[2]]
    project.sightings = [seen for seen in project.sightings if seen["id"] != coats[2]]
    for kind in ("labels", "errors", "uncertain", "flips"):
        assert images(project, kind, flips=lost(coats[:4])) == [coats[3]]
    assert count_label_issues(project.root) == 1


def test_shows_at_most_25_undecided_images_per_class(project, coats):
    dresses = [name for name, row in project.rows.items() if row["label"] == "dress"][:3]
    shares = {name: (0.4, 0.41 + number / 1000, 0.1) for number, name in enumerate(coats)}
    project.predict(shares | dict.fromkeys(dresses, (0.1, 0.4, 0.41)))
    first = images(project, "errors")
    assert Counter(project.rows[name]["label"] for name in first) == {"coat": 25, "dress": 3}
    later = images(project, "errors", decided=first[:10])
    assert len(set(later)) == 38 - sum(name in dresses for name in first[:10])
    assert set(first) < set(later)
