"""Messages on changed files name a command that keeps the changes, and one that restores the files without loss."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pixmill.core.errors import PixmillError
from pixmill.core.repository.stage_inputs import RESULTS, advice, is_committed
from pixmill.serve.predict.model import find_model
from tests.tiny_project import change_param, copy_project, repro


@pytest.fixture
def project(tiny_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the finished project, where printed commands find DVC."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    return copy_project(tiny_project, tmp_path / "pets")


def test_with_the_old_results_in_the_cache_the_way_back_restores_them(project: Path) -> None:
    def weights() -> str:
        return (project / "artifacts/train/out").read_text()

    committed = weights()
    change_param(project, "epochs: 3", "epochs: 4")
    assert repro(project) == 0
    assert weights() != committed
    keep, back = advice(project, ("params.yaml", *RESULTS)).splitlines()
    assert keep == "To keep them: git add params.yaml dvc.lock metrics plots && git commit"
    command = back.removeprefix("To go back to the last commit: ")
    subprocess.run(["bash", "-ec", command], cwd=project, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    assert weights() == committed
    assert is_committed(project, *RESULTS)
    assert "go back" not in advice(project, RESULTS, undo=False)
    # A cache that lacks a file of a folder.
    digest = hashlib.md5(committed.encode(), usedforsecurity=False).hexdigest()
    (project / ".dvc" / "cache" / "files" / "md5" / digest[:2] / digest[2:]).unlink()
    assert "go back" not in advice(project, RESULTS)


def test_what_dvc_removed_before_a_stage_that_stopped_at_once_is_brought_back(project: Path) -> None:
    shutil.rmtree(project / "artifacts")
    with pytest.raises(PixmillError) as stop:
        find_model(None, project)
    assert stop.value.next == "dvc checkout artifacts/train (restores that of the last run), or dvc repro"
    # Without the cache there is no such way.
    shutil.rmtree(project / ".dvc" / "cache")
    with pytest.raises(PixmillError) as stop:
        find_model(None, project)
    assert stop.value.next == "dvc repro, or for what a colleague pushed: dvc pull"
