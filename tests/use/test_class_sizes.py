"""Classes with too few images for validate are named before a run."""

import base64
from pathlib import Path
from typing import Any

from pixmill.core.params import Params
from pixmill.use import Issue, find_issues

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mNgYGAAAAAEAAEnNCcKAAAAAElFTkSuQmCC")
"""One black pixel; what stands behind it makes another file, and no other image."""


def params(salt: str = "pixmill", least: dict[str, Any] | None = None, **scrape: Any) -> Params:
    sections = {"split": {"salt": salt}, "validate": {"min_per_class": least or {}}}
    given = {"source": "folder", "snapshot": "2026-11-20", **scrape}
    return Params.model_validate({"classes": ["coat", "hat"], "scrape": given, **sections})


def fill(folder: Path, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for place in range(count):
        (folder / f"{place}.png").write_bytes(PNG + f"{folder.name} {place}".encode())


def issues(root: Path, given: Params) -> list[Issue]:
    return [issue for issue in find_issues(root, given) if "other entries" not in issue.message]


def test_a_class_below_the_gate_is_named_with_what_it_lacks(tmp_path: Path) -> None:
    fill(tmp_path / "data" / "coat", 45)
    fill(tmp_path / "data" / "hat", 15)
    [issue] = issues(tmp_path, params())
    assert issue == Issue(
        "validate stops at classes of fewer than 30 images (validate.min_per_class.count): 'hat' has 15",
        "add images (at least 15 of 'hat'), or remove the class from data/ and from classes, or set "
        "validate.min_per_class.count to 15 in params.yaml",
        stops=True,
    )
    assert not any(issue.stops for issue in issues(tmp_path, params(least={"count": 15})))
    assert not any(issue.stops for issue in issues(tmp_path, params(least={"severity": "warning"})))
    assert issues(tmp_path, params(source_by_class={"hat": ["folder", "bing"]})) == []


def test_images_that_decisions_bring_count(tmp_path: Path) -> None:
    fill(tmp_path / "data" / "coat", 60)
    fill(tmp_path / "data" / "hat", 15)
    lines = [f"data/coat/{place}.png,relabel,hat,," for place in range(15)]
    (tmp_path / "review.csv").write_text("\n".join(["image,decision,label,by,why", *lines[:14]]))
    [issue] = issues(tmp_path, params())
    assert issue.stops
    assert "at least 1 of 'hat'" in str(issue.next)
    (tmp_path / "review.csv").write_text("\n".join(["image,decision,label,by,why", *lines]))
    assert not any(issue.stops for issue in issues(tmp_path, params()))


def test_a_malformed_line_of_the_review_stops_beside_what_else_is_amiss(tmp_path: Path) -> None:
    for label in ("coat", "hat", "caps"):
        fill(tmp_path / "data" / label, 40)
    (tmp_path / "review.csv").write_text("image,decision,label,by,why\ndata/coat/0.png,relabel,shoe,,")
    folders, review = issues(tmp_path, params())
    assert "caps" in folders.message
    assert review == Issue(
        "review.csv, line 2: expected one of the labels coat, hat, received 'shoe'",
        "edit line 2 of review.csv, then: dvc repro validate",
        stops=True,
    )
