"""What evaluate finds doubtful is shown, as long as it still is."""

import pandas as pd
import pytest

from pixmill.core.errors import ManifestError
from pixmill.review.doubts import find_doubts
from pixmill.review.material import load_material


@pytest.fixture
def ranked(project):
    """A project of which evaluate finds four labels doubtful, the first most."""
    coats, dresses = project.fill("coat", 20), project.fill("dress", 20)
    doubtful = [coats[3], dresses[7], coats[11], dresses[2]]
    project.suspect(dict(zip(doubtful, ["dress", "coat"] * 2, strict=True)))
    return project, doubtful


def shown(project):
    project.write()
    material = load_material(project.root)
    return material, find_doubts(material, only="labels")


def test_the_doubtful_are_cases_in_the_order_of_their_ranks(ranked):
    project, doubtful = ranked
    material, cases = shown(project)
    assert [material.ids[row] for case in cases for row in case.members] == doubtful
    assert [case.suggestion for case in cases] == ["dress", "coat", "dress", "coat"]
    assert cases[0].why == (
        "Labelled 'coat', but a model that was not trained on this image finds 'dress' more likely."
    )
    assert all(not set(case.members) & set(case.beside) for case in cases)
    assert [material.labels[row] for row in cases[0].beside] == ["coat", "coat", "dress", "dress"]


def test_what_was_dropped_or_relabelled_meanwhile_is_in_doubt_no_more(ranked):
    project, doubtful = ranked
    project.rows[doubtful[0]] |= {"verdict": "drop", "reason": "review"}
    project.rows[doubtful[1]]["label"] = "coat"
    material, cases = shown(project)
    assert [material.ids[row] for case in cases for row in case.members] == doubtful[2:]


def test_small_classes_have_nothing_beside_them_and_break_nothing(ranked):
    project, doubtful = ranked
    for name in [name for name, row in project.rows.items() if row["label"] == "dress" and name not in doubtful]:
        project.rows[name] |= {"verdict": "drop", "reason": "too_small"}
    material, cases = shown(project)
    assert len(cases) == 4
    assert {material.labels[row] for case in cases for row in case.beside} == {"coat"}


def test_without_a_search_no_label_is_in_doubt(project):
    project.fill("coat", 20)
    material, cases = shown(project)
    assert material.ranking is None
    assert cases == []


def test_a_ranking_of_another_version_is_named_with_the_command(ranked):
    project, _ = ranked
    pd.DataFrame({"id": ["x"]}).to_parquet(project.root / "artifacts/evaluate/labels.parquet")
    with pytest.raises(ManifestError, match=r"labels\.parquet was written by another version") as error:
        shown(project)
    assert error.value.next == "dvc repro -f evaluate"
