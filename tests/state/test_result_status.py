"""What a run changed is told with a way to keep it, and with a way back where that loses nothing."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pixmill.core.errors import PixmillError
from pixmill.predict import find_model
from pixmill.state.result_status import RESULTS, advice, is_committed
from tests.version_control import commit, dvc, git, start_repository

PIPELINE = """\
stages:
  train:
    cmd:
    - mkdir -p artifacts/train metrics plots
    - date +%s%N > artifacts/train/weights
    - cp artifacts/train/weights metrics/train.json
    - cp -R artifacts/train plots/train
    params: [seed]
    outs: [artifacts/train, plots/train: {cache: false}]
    metrics: [{metrics/train.json: {cache: false}}]
  evaluate:
    cmd: cp plots/train/weights metrics/evaluate.json
    deps: [artifacts/train, plots/train/weights]
    metrics: [{metrics/evaluate.json: {cache: false}}]
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project of DVC with committed results, whose stage gives others on each run."""
    folder = start_repository(tmp_path_factory.mktemp("finished"), with_dvc=True)
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "params.yaml").write_text("seed: 1\n")
    (folder / "plots").mkdir()
    (folder / "plots" / "a.csv").touch()
    dvc(folder, "repro")
    commit(folder)
    return folder


@pytest.fixture
def pipeline(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the finished project, where printed commands find DVC."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    return shutil.copytree(finished, tmp_path / "pipeline")


def weights(folder: Path) -> str:
    return (folder / "artifacts" / "train" / "weights").read_text()


def follow(folder: Path, prefix: str, text: str) -> None:
    """Type the command that a line with this prefix advises."""
    (line,) = [line for line in text.splitlines() if line.startswith(prefix)]
    command = line.removeprefix(prefix).replace("git commit", "git -c user.name=a -c user.email=a@b commit -qm y")
    subprocess.run(["bash", "-ec", command], cwd=folder, check=True, stdin=subprocess.DEVNULL, capture_output=True)


def test_with_the_old_results_in_the_cache_the_way_back_restores_them(pipeline: Path) -> None:
    committed = weights(pipeline)
    dvc(pipeline, "repro", "--force")
    assert weights(pipeline) != committed
    follow(pipeline, "To go back to the last commit: ", advice(pipeline, RESULTS))
    assert weights(pipeline) == committed == (pipeline / "metrics" / "train.json").read_text()
    assert is_committed(pipeline, *RESULTS)
    # A cache that lacks a file of a folder.
    digest = hashlib.md5(committed.encode(), usedforsecurity=False).hexdigest()
    (pipeline / ".dvc" / "cache" / "files" / "md5" / digest[:2] / digest[2:]).unlink()
    assert "go back" not in advice(pipeline, RESULTS)


def test_in_a_clone_without_the_old_results_the_new_ones_are_kept(pipeline: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(pipeline), str(clone))
    dvc(clone, "repro")
    new, text = weights(clone), advice(clone, RESULTS)
    assert "checkout" not in text
    assert "checkout" not in advice(pipeline, RESULTS, undo=False)
    follow(clone, "To keep them: ", text)
    assert weights(clone) == new
    assert is_committed(clone, *RESULTS)


def test_what_dvc_removed_before_a_stage_that_stopped_at_once_is_brought_back(pipeline: Path) -> None:
    shutil.rmtree(pipeline / "artifacts")
    with pytest.raises(PixmillError) as stop:
        find_model(None, pipeline)
    assert stop.value.next == "dvc checkout artifacts/train (brings back that of the last run), or dvc repro"
    # Without the cache there is no such way.
    shutil.rmtree(pipeline / ".dvc" / "cache")
    with pytest.raises(PixmillError) as stop:
        find_model(None, pipeline)
    assert stop.value.next == "dvc repro, or for what a colleague pushed: dvc pull"
