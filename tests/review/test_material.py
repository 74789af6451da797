"""The tables are read together, and what is missing or of another run is told with the command that mends it."""

import pytest

from pixmill.core.errors import ManifestError
from pixmill.review.material import load_material
from pixmill.validate import Decision


def test_images_are_found_with_all_their_places(project):
    a = project.add(None, came_as=["coat", "shoe", "coat"], urls=["http://a.test/1", None, "http://a.test/2"])
    b = project.add("dress")
    project.link(a, b)
    material = project.material()
    row = material.row(a)
    assert material.ids[row] == a
    assert material.labels[row] is None
    assert [seen["image_url"] for seen in material.sightings(row)] == ["http://a.test/1", None, "http://a.test/2"]
    assert {seen["label"] for seen in material.sightings(row)} == {"coat", "shoe"}
    assert material.row("0" * 64) is None
    (names,) = material.names([Decision(2, "http://a.test/2", "keep"), Decision(3, project.rows[a]["path"], "drop")])
    assert (names.id, set(names.places)) == (a, {"http://a.test/2", project.rows[a]["path"]})
    assert {material.ids[row] for row in material.pairs[0]} == {a, b}


def test_tables_of_different_runs_are_refused(project):
    project.fill("coat", 3)
    project.write()
    before = (project.root / "artifacts/validate/manifest.parquet").read_bytes()
    project.add("coat")
    project.write()
    (project.root / "artifacts/validate/manifest.parquet").write_bytes(before)
    with pytest.raises(ManifestError, match="is not from the images") as told:
        load_material(project.root)
    assert told.value.next == "dvc repro validate"
