"""A node says what it lacks, also after a batch; a file in a folder tells whether it sees the folder."""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from pixmill.compute.node import NodeRequirements, PassSpec, run_batch, versions, witnesses
from pixmill.compute.worker import PickledPass
from pixmill.core.errors import PixmillError


def test_versions_name_packages_that_are_absent_too() -> None:
    found = versions(["pillow", "no-such-package"])
    assert found["no-such-package"] == "none"
    assert found["pillow"] != "none"
    assert found["processor"]


def test_a_folder_is_witnessed_by_an_image_deep_in_it(tmp_path: Path) -> None:
    image = tmp_path / "images" / "ab" / "abc.jpg"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"12345")
    (tmp_path / "empty").mkdir()
    (tmp_path / "manifest.parquet").write_bytes(b"1")
    (tmp_path / "dangling").symlink_to("nowhere")
    assert witnesses(tmp_path) == [(str(tmp_path), None), (str(image), 5)]


def test_a_folder_that_may_not_be_read_and_a_circle_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "circle").symlink_to(tmp_path)
    (tmp_path / "one.jpg").write_bytes(b"123")
    scandir = os.scandir

    def guarded(path: Path) -> Any:
        if Path(path).name == "lost+found":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    assert witnesses(tmp_path) == [(str(tmp_path), None), (str(tmp_path / "one.jpg"), 3)]


def test_an_empty_folder_witnesses_itself(tmp_path: Path) -> None:
    assert witnesses(tmp_path) == [(str(tmp_path), None)]


def _remove(paths: list[Path]) -> list[None]:
    return [path.unlink() for path in paths]


def test_no_row_counts_once_the_folder_has_vanished(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    (tmp_path / "image").touch()
    needs = NodeRequirements({}, {str(tmp_path): witnesses(tmp_path)})
    order = pickle.dumps(PassSpec(PickledPass("remove", pickle.dumps(_remove)), None, needs))
    results, raised = run_batch("pass", order, [pickle.dumps(tmp_path / "image")])
    assert results == []
    assert raised is not None
    error, _ = pickle.loads(raised)
    assert isinstance(error, PixmillError)
    assert "does not see" in error.message
