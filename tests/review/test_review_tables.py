"""The tables of the stages are read together; tables of different runs are refused."""

import pytest

from pixmill.core.errors import ManifestError
from pixmill.review.review_tables import load_tables


def test_finds_images_with_all_sightings(project):
    a = project.add(
        None, came_as=["coat", "shoe", "coat"], urls=["http://a.test/1", None, "http://a.test/2"]
    )
    b = project.add("dress")
    project.link(a, b)
    tables = project.tables()
    row = tables.row(a)
    assert tables.ids[row] == a
    assert tables.labels[row] is None
    assert [seen["image_url"] for seen in tables.sightings(row)] == [
        "http://a.test/1",
        None,
        "http://a.test/2",
    ]
    assert {seen["label"] for seen in tables.sightings(row)} == {"coat", "shoe"}
    assert tables.row("0" * 64) is None
    assert tables.labels_that_came() == {a: ("coat", "shoe"), b: ("dress",)}
    assert tables.first("image_url")[a] == "http://a.test/1"
    assert {tables.ids[row] for row in tables.pairs[0]} == {a, b}


def test_tables_of_different_runs_are_refused(project):
    project.fill("coat", 3)
    project.write()
    before = (project.root / "artifacts/validate/manifest.parquet").read_bytes()
    project.add("coat")
    project.write()
    (project.root / "artifacts/validate/manifest.parquet").write_bytes(before)
    with pytest.raises(ManifestError, match="is not from the images") as caught:
        load_tables(project.root)
    assert caught.value.next == "dvc repro validate"
