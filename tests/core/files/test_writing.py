"""Atomic writes, and messages for disk errors."""

import errno
import json
import math
from pathlib import Path

import numpy as np
import pytest

from pixmill.core.errors import DataError, ManifestError, StorageError
from pixmill.core.files.writing import (
    place_within,
    read_json,
    replacing,
    significant,
    storage_errors,
    target_within,
    write_bytes,
    write_json,
    write_text,
)
from tests.disk import limit_file_size


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.txt"
    write_text(path, "one\n")
    write_text(path, "two\n")
    assert path.read_bytes() == b"two\n"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("name", [f"{'long' * 62}.jpg", f"{'長' * 83}.jpg"])
def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with replacing(path) as temporary:
        assert temporary.name.endswith(name[-20:])
        temporary.write_text("one")
    assert [*tmp_path.iterdir()] == [path]


def test_a_failure_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(OSError, match="disk"), replacing(path) as temporary:
        temporary.write_text("new")
        raise OSError("disk")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]


def test_json_diffs_well(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    write_json(
        path,
        {
            "b": np.float32(1 / 3),
            "a": math.nan,
            "c": {"é": np.int64(3), "list": [np.True_, 0.1 + 0.2]},
        },
    )
    assert json.loads(path.read_text()) == {
        "a": None,
        "b": 0.333333,
        "c": {"list": [True, 0.3], "é": 3},
    }
    assert path.read_text().startswith('{\n  "a": null,\n  "b": 0.333333,')


def test_six_significant_digits_at_any_size() -> None:
    assert significant([123456.789, 1.23456789e-9, -math.inf, 12345678]) == [
        123457.0,
        1.23457e-9,
        None,
        12345678,
    ]


def test_a_missing_or_broken_json_names_the_stage(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="is missing\nNext: dvc repro train"):
        read_json(tmp_path / "labels.json", stage="train")
    for damaged in ("{", "[]", "[" * 100_000):
        (tmp_path / "labels.json").write_text(damaged)
        with pytest.raises(
            ManifestError, match=r"not as it was written.*\nNext: dvc repro -f train"
        ):
            read_json(tmp_path / "labels.json", stage="train")


@pytest.mark.linux
def test_a_full_disk_is_told_with_the_file_and_the_next_command():
    with pytest.raises(StorageError) as caught, storage_errors(then="dvc repro split"):
        Path("/dev/full").write_bytes(b"much")
    assert "the disk is full" in caught.value.message
    assert caught.value.next == "free some space there, then: dvc repro split"


def test_a_name_that_no_file_can_have_is_told(tmp_path):
    path = tmp_path / ("long" * 64)
    with pytest.raises(StorageError) as caught, storage_errors(then="dvc repro evaluate"):
        path.stat()
    assert caught.value.message == f"{path} cannot be used: the name is too long"


@pytest.mark.linux
def test_a_write_that_is_refused_names_its_file_and_leaves_nothing(tmp_path):
    path = tmp_path / "table.parquet"
    with (
        limit_file_size(1000),
        pytest.raises(StorageError) as caught,
        storage_errors(then="dvc repro split"),
    ):
        write_bytes(path, bytes(2000))
    assert caught.value.message == f"{path} cannot be used: it would exceed the file size limit"
    assert list(tmp_path.iterdir()) == []


def test_a_read_only_disk_names_the_file(tmp_path, monkeypatch):
    def refuse(path, *_, **__):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    path = tmp_path / "runs.html"
    with pytest.raises(StorageError) as caught, storage_errors(then="the same command"):
        write_bytes(path, b"a page")
    assert caught.value.message == f"{path} cannot be used: the disk is read-only"


@pytest.mark.parametrize(
    "name", ["", "..", "a/..", "../b", "a/../../b", "/b", "a\0b", "out/b", "in/../../b"]
)
def test_no_file_is_written_out_of_a_folder(tmp_path, name):
    folder = tmp_path / "data"
    (folder / "a").mkdir(parents=True)
    (folder / "in").symlink_to(folder / "a")
    (folder / "out").symlink_to(tmp_path)
    linked = tmp_path / "link"  # as to a larger disk
    linked.symlink_to(folder)
    for place in (folder, linked):
        with pytest.raises(DataError, match="leads out"):
            place_within(place / name, place)
        for good in ("b", "a/b", "new/b", "in/b", "..b"):
            assert place_within(place / good, place) == place / good


def test_a_link_leads_within_the_folder_or_into_the_cache(tmp_path):
    folder = tmp_path / "data"
    cached = tmp_path / "cache" / "files" / "md5" / "ab" / ("0" * 30)
    for file in (folder / "a.png", tmp_path / "b.png", cached):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    for name, target in (
        ("in", folder / "a.png"),
        ("out", tmp_path / "b.png"),
        ("kept", cached),
        ("circle", "circle"),
    ):
        (folder / name).symlink_to(target)
    assert target_within(folder / "in", folder) == (folder / "a.png").resolve()
    assert target_within(folder / "kept", folder) == cached.resolve()
    assert target_within(folder / "out", folder) is None
    assert target_within(folder / ".." / "b.png", folder) is None
    for name in ("circle", "gone"):
        with pytest.raises((OSError, RuntimeError)):
            target_within(folder / name, folder)
