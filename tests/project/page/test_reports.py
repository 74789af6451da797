"""Reports are found where they are, or where DVC's cache has them, and nowhere else."""

import pytest

from pixmill.project.page import reports
from pixmill.project.page.reports import find_report, list_reports


@pytest.fixture
def root(tmp_path):
    for name in ("train", "scrape", "compare", "evaluate"):
        (tmp_path / "reports").mkdir(exist_ok=True)
        (tmp_path / "reports" / f"{name}.html").write_text(name)
    return tmp_path


def test_the_stages_come_first_and_no_dvc_is_started(root, monkeypatch):
    def start(*_):
        raise AssertionError("DVC takes a second to start, and this is asked often")

    monkeypatch.setattr(reports, "cache_folder", start)
    assert list_reports(root) == ["scrape.html", "train.html", "evaluate.html", "compare.html"]


def test_links_lead_into_the_cache_alone(root, tmp_path_factory, monkeypatch):
    shared, other = tmp_path_factory.mktemp("shared"), tmp_path_factory.mktemp("other")
    asked = []
    monkeypatch.setattr(reports, "cache_folder", lambda root: asked.append(root) or shared)
    (root / ".dvc/cache/files/md5").mkdir(parents=True)
    for folder, name in ((root / ".dvc/cache/files/md5", "own"), (shared, "shared"), (other, "other")):
        (folder / "a").write_text(name)
        (root / "reports" / f"{name}.html").symlink_to(folder / "a")
    assert find_report(root, "own.html").read_text() == "own"
    assert asked == []
    assert find_report(root, "shared.html").read_text() == "shared"
    assert find_report(root, "other.html") is None
    assert asked == [root, root]


def test_without_reports_there_are_none(tmp_path):
    assert list_reports(tmp_path) == []
    assert find_report(tmp_path, "train.html") is None
