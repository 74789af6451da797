"""An image is found by any of its names, and shown whatever its state."""

import pytest

from pixmill.core.errors import PixmillError
from pixmill.review.doubts import Case
from pixmill.review.named import find_image, with_image

URL = "https://shop.test/a.jpg"


@pytest.fixture
def three(project):
    """Images that are kept, dropped for good, and seen at two places."""
    return project.add("coat"), project.add("shoe", reason="truncated"), project.add("dress", urls=[URL, "data/b.jpg"])


def test_an_image_is_found_by_its_file_id_path_or_url(project, three, tmp_path, monkeypatch):
    material = project.material()
    kept, dropped, seen = (material.row(name) for name in three)
    names = [
        (kept, three[0]),
        (kept, three[0][:8].upper()),
        (dropped, str(project.root / "artifacts/scrape" / project.rows[three[1]]["path"])),
        (dropped, project.rows[three[1]]["path"]),
        (seen, URL),
        (seen, "data/b.jpg"),
    ]
    monkeypatch.chdir(tmp_path)
    assert [find_image(material, material, name) for _, name in names] == [row for row, _ in names]


def test_what_names_no_image_or_several_is_refused(project, three, tmp_path):
    project.add("coat", urls=[URL])
    material = project.material()
    (tmp_path / "other.jpg").write_bytes(b"other")
    for name in ("0" * 8, three[0][:7], "data/c.jpg", str(tmp_path / "other.jpg")):
        with pytest.raises(PixmillError, match="is not among the images"):
            find_image(material, material, name)
    with pytest.raises(PixmillError, match="names 2 images"):
        find_image(material, material, URL)


def test_an_image_has_a_case_of_its_own_unless_another_shows_it(project, three):
    material = project.material()
    kept, dropped, seen = (material.row(name) for name in three)
    cases = [Case("outliers", "", "", (seen,))]
    assert with_image(cases, material, seen) == cases
    told = [with_image(cases, material, row)[0] for row in (kept, dropped)]
    assert [(case.kind, case.members, case.why) for case in told] == [
        ("named", (kept,), "Kept."),
        ("named", (dropped,), "Dropped: the file is truncated."),
    ]
