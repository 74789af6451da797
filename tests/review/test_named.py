"""An image is found by any of its names, and shown whatever its state."""

import pytest

from pixmill.core.errors import PixmillError
from pixmill.review.doubts import Case
from pixmill.review.named import find_image, with_image


@pytest.fixture
def three(project):
    """Images that are kept, dropped for good, and kept."""
    return project.add("coat"), project.add("shoe", reason="truncated"), project.add("dress")


def test_an_image_is_found_by_its_file_or_id(project, three):
    material = project.material()
    file = project.root / "artifacts/scrape" / project.rows[three[1]]["path"]
    for name, found in ((three[0], 0), (three[0][:8].upper(), 0), (str(file), 1)):
        assert find_image(material, name) == material.row(three[found])
    (project.root / "other.jpg").write_bytes(b"other")
    for name in ("0" * 8, three[0][:7], "data/c.jpg", str(project.root / "other.jpg")):
        with pytest.raises(PixmillError, match="names 0 images"):
            find_image(material, name)


def test_an_image_has_a_case_of_its_own_unless_another_shows_it(project, three):
    material = project.material()
    kept, dropped, seen = (material.row(name) for name in three)
    cases = [Case("outliers", "", "", (seen,))]
    assert with_image(cases, material, seen) == cases
    told = [with_image(cases, material, row)[0] for row in (kept, dropped)]
    assert [(case.kind, case.members, case.why) for case in told] == [
        ("named", (kept,), "keep"),
        ("named", (dropped,), "the file is truncated"),
    ]
