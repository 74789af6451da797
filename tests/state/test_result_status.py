"""What a run changed is told with a way to keep it, and with a way back where that loses nothing."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pixmill.core.errors import PixmillError
from pixmill.predict import find_model
from pixmill.state.result_status import RESULTS, advice, is_committed, notes
from tests.version_control import commit, dvc, git, start_repository

LOCK = """\
schema: '2.0'
stages:
  evaluate:
    deps:
    - path: artifacts/train
      md5: aa
    - path: src/pixmill/evaluate
      md5: bb
    params:
      params.yaml:
        evaluate.draws: 100
    outs:
    - path: metrics/evaluate.json
      md5: cc
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in {"metrics/evaluate.json": "{}", "dvc.lock": LOCK, "data.dvc": "x"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    commit(start_repository(tmp_path))
    return tmp_path


def text_of_notes(project: Path) -> str:
    return "\n".join(notes(project))


def test_committed_results_need_no_word(project: Path) -> None:
    assert notes(project) == []


def test_changed_images_ask_for_a_commit_of_data_dvc(project: Path) -> None:
    (project / "data.dvc").write_text("y")
    text = text_of_notes(project)
    assert "data.dvc differs from the last commit: dvc exp apply, dvc pull" in text
    assert "git add data.dvc && git commit" in text


def test_results_that_differ_from_the_same_inputs_are_explained(project: Path) -> None:
    (project / "dvc.lock").write_text(LOCK.replace("cc", "dd").replace("aa", "ee"))
    text = text_of_notes(project)
    assert "another processor or library version" in text
    assert "To keep them: git add dvc.lock metrics plots && git commit" in text
    assert "checkout" not in text


@pytest.mark.parametrize(("before", "after"), [("bb", "ff"), ("draws: 100", "draws: 200"), ("src/", "lib/")])
def test_results_of_changed_inputs_are_to_be_committed(project: Path, before: str, after: str) -> None:
    (project / "dvc.lock").write_text(LOCK.replace(before, after))
    text = text_of_notes(project)
    assert (
        text == "The results are new. To keep them: git add data.dvc dvc.lock params.yaml metrics plots && git commit"
    )


def test_a_project_without_a_commit_is_committed_as_a_whole(project: Path) -> None:
    git(project, "update-ref", "-d", "HEAD")
    (project / "dvc.lock").write_text(LOCK.replace("md5: cc", f"md5: {hashlib.md5(b'{}').hexdigest()}"))
    assert text_of_notes(project) == "The results are new. To keep them: git add -A && git commit"


def test_decisions_behind_new_results_are_committed_with_them(project: Path) -> None:
    (project / "dvc.lock").write_text(LOCK.replace("bb", "ff"))
    (project / "review.csv").write_text("image,decision,label,by,why\n")
    assert "params.yaml review.csv metrics" in text_of_notes(project)


def test_images_behind_new_results_are_added_and_committed_with_them(project: Path) -> None:
    (project / ".dvc").mkdir()
    (project / "data.dvc").write_text("outs:\n- {md5: x.dir, nfiles: 1, size: 1, path: data}\n")
    (project / "data").mkdir()
    (project / ".gitignore").write_text("/data\n")
    (project / "data/a.jpg").write_bytes(b"xy")
    (project / "dvc.lock").write_text(LOCK.replace("bb", "ff"))
    what, keep = notes(project)
    assert what.startswith("data/ differs from data.dvc, and data.dvc differs from the last commit: ")
    command = "dvc add data && git add data.dvc dvc.lock params.yaml metrics plots && git commit"
    assert keep == f"The results are new. To keep them: {command}"


def test_a_project_below_the_root_of_its_repository_is_told_alike(project: Path) -> None:
    below = project / "below"
    shutil.copytree(project / "metrics", below / "metrics")
    (below / "dvc.lock").write_text(LOCK.replace("md5: cc", f"md5: {hashlib.md5(b'{}').hexdigest()}"))
    assert text_of_notes(below).startswith("The results are new. To keep them: git add data.dvc dvc.lock ")
    commit(project)
    assert notes(below) == []
    (below / "metrics/evaluate.json").write_text("{ }")
    assert "the last run stopped at evaluate." in text_of_notes(below)


def test_a_run_that_stopped_between_stages_is_recognised(project: Path) -> None:
    trained = "  train:\n    outs:\n    - path: artifacts/train\n      md5: {}\n"
    (project / "dvc.lock").write_text(LOCK + trained.format("aa"))
    assert "earlier run" not in text_of_notes(project)
    (project / "dvc.lock").write_text(LOCK + trained.format("cc"))
    assert text_of_notes(project) == (
        "These results are from an earlier run: the last run stopped at evaluate.\nTo resume: dvc repro"
    )


def test_a_stage_that_failed_after_writing_is_recognised(project: Path) -> None:
    metrics = '{"n": 251}'
    (project / "metrics/evaluate.json").write_text(metrics)
    assert "the last run stopped at evaluate." in text_of_notes(project)
    finished = LOCK.replace("cc", hashlib.md5(metrics.encode(), usedforsecurity=False).hexdigest())
    (project / "dvc.lock").write_text(finished.replace("bb", "ff"))
    assert "The results are new" in text_of_notes(project)


def test_a_stage_that_failed_before_writing_is_recognised(project: Path) -> None:
    (project / "metrics" / "evaluate.json").unlink()
    notes_ = text_of_notes(project)
    assert "the last run stopped at evaluate." in notes_
    assert "git" not in notes_


def test_first_results_are_to_be_committed(project: Path) -> None:
    git(project, "rm", "-q", "--cached", "dvc.lock")
    git(project, "commit", "-qm", "x")
    assert "The results are new" in text_of_notes(project)


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
    follow(pipeline, "To go back to the last commit: ", text_of_notes(pipeline))
    assert weights(pipeline) == committed == (pipeline / "metrics" / "train.json").read_text()
    assert is_committed(pipeline, *RESULTS)
    # A cache that is configured to be elsewhere, and one that lacks a file of a folder.
    (pipeline / ".dvc" / "cache").rename(pipeline.parent / "elsewhere")
    assert "go back" not in advice(pipeline, RESULTS)
    dvc(pipeline, "cache", "dir", "--local", "../elsewhere")
    assert "go back" in advice(pipeline, RESULTS)
    digest = hashlib.md5(committed.encode(), usedforsecurity=False).hexdigest()
    (pipeline.parent / "elsewhere" / "files" / "md5" / digest[:2] / digest[2:]).unlink()
    assert "go back" not in advice(pipeline, RESULTS)


def test_a_folder_of_plots_that_is_not_as_its_run_left_it_is_recognised(pipeline: Path) -> None:
    dvc(pipeline, "repro", "--force")
    assert "Both are equally good." in text_of_notes(pipeline)
    (pipeline / "plots" / "train" / "weights").write_text("edited")
    assert "the last run stopped at train." in text_of_notes(pipeline)
    shutil.rmtree(pipeline / "plots" / "train")
    assert "the last run stopped at train." in text_of_notes(pipeline)


def test_in_a_clone_without_the_old_results_the_new_ones_are_kept(pipeline: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(pipeline), str(clone))
    dvc(clone, "repro")
    new, text = weights(clone), text_of_notes(clone)
    assert "Both are equally good." in text
    assert "checkout" not in text
    follow(clone, "To keep them: ", text)
    assert weights(clone) == new
    assert notes(clone) == []


def test_a_file_that_was_edited_before_the_run_is_not_restored(pipeline: Path) -> None:
    assert is_committed(pipeline, "params.yaml", *RESULTS)
    assert "git checkout params.yaml dvc.lock" in advice(pipeline, ("params.yaml", *RESULTS))
    (pipeline / "params.yaml").write_text("seed: 2\n")
    assert not is_committed(pipeline, "params.yaml", *RESULTS)
    assert "checkout" not in advice(pipeline, ("params.yaml", *RESULTS), undo=False)


def test_what_dvc_removed_before_a_stage_that_stopped_at_once_is_brought_back(pipeline: Path) -> None:
    before, text = weights(pipeline), (pipeline / "dvc.yaml").read_text()
    (pipeline / "dvc.yaml").write_text(text.replace("    cmd:\n", '    cmd:\n    - "false"\n'))
    with pytest.raises(subprocess.CalledProcessError):
        dvc(pipeline, "repro")
    assert not (pipeline / "artifacts" / "train").exists()
    with pytest.raises(PixmillError) as stop:
        find_model(None, pipeline)
    assert stop.value.next == "dvc checkout artifacts/train (brings back that of the last run), or dvc repro"
    prefix = "To bring back what DVC removed before train ran: "
    told = text_of_notes(pipeline)
    assert f"{prefix}dvc checkout artifacts/train && git checkout metrics/train.json plots/train" in told
    follow(pipeline, prefix, told)
    assert weights(pipeline) == before == (pipeline / "metrics" / "train.json").read_text()
    # Without the cache there is no such way.
    shutil.rmtree(pipeline / "artifacts")
    shutil.rmtree(pipeline / ".dvc" / "cache")
    with pytest.raises(PixmillError) as stop:
        find_model(None, pipeline)
    assert stop.value.next == "dvc repro, or for what a colleague pushed: dvc pull"
    assert prefix not in text_of_notes(pipeline)
