"""What evaluate finds doubtful is shown, as long as it still is."""

import pandas as pd
import pytest

from pixmill.errors import ManifestError
from pixmill.evaluate.labels import LABELS
from pixmill.manifest import write_table
from pixmill.review.doubts import find_doubts
from pixmill.review.material import load_material
from pixmill.review.ranking import load_ranking


@pytest.fixture
def ranked(project):
    """A project of which evaluate finds four labels doubtful, the first most."""
    coats, dresses = project.fill("coat", 20), project.fill("dress", 20)
    doubtful = [coats[3], dresses[7], coats[11], dresses[2]]
    names = sorted([*coats, *dresses])
    other = {"coat": "dress", "dress": "coat"}
    rank = {name: place for place, name in enumerate([*doubtful, *(name for name in names if name not in doubtful)], 1)}
    ranking = pd.DataFrame(
        {
            "id": names,
            "label": [project.rows[name]["label"] for name in names],
            "suggested": [other[project.rows[name]["label"]] if name in doubtful else None for name in names],
            "score": [rank[name] / 100 for name in names],
            "rank": [rank[name] for name in names],
            "split": "train",
        }
    )
    path = project.root / "artifacts/evaluate/labels.parquet"
    path.parent.mkdir(parents=True)
    write_table(path, ranking, LABELS)
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
        "It carries the label 'coat', but a model that has not seen it finds 'dress' more probable."
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


def test_without_a_search_there_is_no_ranking(project):
    assert load_ranking(project.root) is None


def test_a_ranking_of_another_version_is_named_with_the_command(ranked):
    project, _ = ranked
    pd.DataFrame({"id": ["x"]}).to_parquet(project.root / "artifacts/evaluate/labels.parquet")
    with pytest.raises(ManifestError, match=r"labels\.parquet was written by another version") as error:
        load_ranking(project.root)
    assert error.value.next == "dvc repro -f evaluate"
