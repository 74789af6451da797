"""Hashes are those of DVC, and are computed once."""

import os
from pathlib import Path

import pytest

from pixmill.core.files import writing
from pixmill.core.repository import file_hashes
from pixmill.core.repository.dvc import folder_md5, read_record
from pixmill.core.repository.file_hashes import FileHashes
from tests.version_control import dvc


def md5(root: Path, path: str = "data") -> str | None:
    with FileHashes(root) as hashes:
        return hashes.md5(path)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("cat/1.jpg", "cat/ü 2.jpg", "dog/1.jpg", "dog/a/b/c.txt"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(name.encode())
        os.utime(tmp_path / "data" / name, (1e9, 1e9))
    return tmp_path


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were read, from now on."""
    names: list[str] = []

    def digest(path: Path, algorithm: str) -> str:
        names.append(path.name)
        return writing.file_digest(path, algorithm)

    monkeypatch.setattr(file_hashes, "file_digest", digest)
    return names


def test_it_is_what_dvc_says_with_ignored_files_links_and_an_empty_folder(project: Path) -> None:
    dvc(project, "init", "-q", "--no-scm")
    (project / ".dvcignore").write_text(
        "# comment\n__pycache__/\n*.tmp\n!keep.tmp\n/data/dog/a/\n.DS_Store\n"
    )
    for name in (
        "x.tmp",
        "keep.tmp",
        "__pycache__/x",
        "cat/__pycache__/y",
        "cat/.DS_Store",
        ".hidden",
    ):
        (project / "data" / name).parent.mkdir(exist_ok=True)
        (project / "data" / name).write_text(name)
    (project / "data" / "empty").mkdir()
    (project / "data" / "link.jpg").symlink_to("cat/1.jpg")
    dvc(project, "add", "-q", "data")
    record = read_record(project)
    assert record is not None
    assert md5(project) == record["md5"]


def test_what_has_not_changed_is_not_read_again(project: Path, read: list[str]) -> None:
    before = md5(project)
    assert before == folder_md5(project / "data")
    assert len(read) == 4
    assert md5(project) == before
    assert len(read) == 4
    (project / "data/cat/1.jpg").write_bytes(b"new")
    assert md5(project) == folder_md5(project / "data") != before
    assert read[4:] == ["1.jpg"]
    # A file of the same size and time takes the place of another.
    other = project / "other"
    other.write_bytes(b"CAT/1.jpg")
    os.utime(other, (1e9, 1e9))
    other.replace(project / "data/dog/1.jpg")
    assert md5(project) == folder_md5(project / "data")
    (project / ".dvcignore").write_text("cat/\n")
    assert md5(project) != folder_md5(project / "data")


def test_a_file_that_was_just_written_is_not_trusted(project: Path) -> None:
    place = project / "data/cat/1.jpg"
    place.write_bytes(b"one")
    state = place.stat()
    before = md5(project)
    place.write_bytes(b"two")
    os.utime(place, ns=(state.st_atime_ns, state.st_mtime_ns))  # as on a disk with a coarse clock
    assert md5(project) != before
