"""Scratch is deleted while nothing runs; commands of DVC and MLflow are suggested for the rest."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pixmill.cli import main
from pixmill.core.errors import LockedError
from pixmill.core.files.workspace import Workspace
from pixmill.experiments.sweep.planning import lock_sweep
from pixmill.project.disk.cleaning import advice, find_scratch
from tests.project.disk.test_usage import write
from tests.version_control import commit, dvc, dvc_repo, git, start_repository

pytestmark = pytest.mark.slow


def put(root: Path, content: str) -> None:
    """Make an image the only one, and add it to DVC."""
    (root / "data" / "a.jpg").unlink(missing_ok=True)
    (root / "data" / "a.jpg").write_text(content)
    with dvc_repo(root) as repo:
        repo.add("data")


def is_cached(root: Path, content: str) -> bool:
    digest = hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()
    return (root / ".dvc" / "cache" / "files" / "md5" / digest[:2] / digest[2:]).exists()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = start_repository(tmp_path_factory.mktemp("clean") / "project", with_dvc=True)
    (root / ".gitignore").write_text("/data\n/.pixmill/\n/mlflow.db\n")
    (root / "params.yaml").touch()
    (root / "data").mkdir()
    for name in ("history", "main", "branch", "tag", "remote"):
        if name in ("branch", "tag", "remote"):
            git(root, "checkout", "-q", "-b", name, "main")
        put(root, name)
        commit(root, name)
    git(root, "tag", "v1", "tag")
    git(root, "update-ref", "refs/remotes/origin/theirs", "remote")
    git(root, "checkout", "-q", "main")
    git(root, "branch", "-q", "-D", "tag", "remote")
    put(root, "nobody")
    put(root, "workspace")
    return root


@pytest.fixture
def workspace(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = Path(shutil.copytree(template, tmp_path / "project", symlinks=True))
    return Workspace(root, root)


def test_suggested_gc_keeps_needed_files(workspace: Workspace) -> None:
    (line,) = advice(workspace)
    program, *words = line.splitlines()[-1].split()
    assert program == "dvc"
    dvc(workspace.root, *words, "--force")
    names = ("workspace", "history", "main", "branch", "tag", "remote", "nobody")
    assert [name for name in names if not is_cached(workspace.root, name)] == ["nobody"]


def test_suggests_no_gc_that_may_delete_images(workspace: Workspace) -> None:
    root = workspace.root
    for lists in (root / ".dvc" / "cache" / "files" / "md5").rglob("*.dir"):
        lists.unlink()
    (line,) = advice(workspace)
    assert "lacks the file list" in line
    assert "--all-commits" not in line
    shared = root.parent / "cache"
    (root / ".dvc" / "cache").rename(shared)
    dvc(root, "config", "cache.dir", str(shared))
    (line,) = advice(workspace)
    assert "may be shared" in line
    assert "--all-commits" not in line


@pytest.mark.filterwarnings("ignore:.*type hint is inferred as AnyType")
def test_suggested_mlflow_gc_runs(
    workspace: Workspace, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient
    from mlflow.cli import cli

    shutil.copy(empty_database, workspace.root / "mlflow.db")
    uri = f"sqlite:///{workspace.root}/mlflow.db"
    client = MlflowClient(uri)
    experiment = client.create_experiment("pets", (workspace.root / "mlruns").as_uri())
    kept, gone = (client.create_run(experiment).info.run_id for _ in range(2))
    client.delete_run(gone)
    *_, line = advice(workspace)
    program, *words = line.splitlines()[-1].split()
    assert program == "mlflow"
    monkeypatch.chdir(workspace.root)
    cli(words, standalone_mode=False)
    assert client.get_run(kept).info.lifecycle_stage == "active"
    with pytest.raises(Exception, match="not found"):
        client.get_run(gone)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert len(advice(workspace)) == 1


def test_refuses_while_something_runs(workspace: Workspace) -> None:
    with (
        workspace.lock("train"),
        pytest.raises(LockedError, match="the stage 'train'"),
        find_scratch(workspace),
    ):
        pass
    with (
        lock_sweep(workspace),
        pytest.raises(LockedError, match="a sweep is running"),
        find_scratch(workspace),
    ):
        pass
    script = workspace.root / ".dvc" / "tmp" / "dvc"
    script.write_text("import time; print(flush=True); time.sleep(60)")
    with subprocess.Popen(
        [sys.executable, script], cwd=script.parent, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            with (
                pytest.raises(LockedError, match=f"DVC is running \\(process {process.pid}"),
                find_scratch(workspace),
            ):
                pass
        finally:
            process.kill()


def test_clean_measures_and_deletes(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(workspace.root)
    page = write(workspace.root / ".pixmill" / "plots" / "index.html", 2_000_000)
    main(["clean"])
    assert (
        "\nScratch: 2.0 MB can be deleted: pixmill clean --yes\nTo delete files from DVC's cache"
        in capsys.readouterr().out
    )
    assert page.exists()
    main(["clean", "--yes"])
    assert "\nScratch: 2.0 MB deleted\n" in capsys.readouterr().out
    assert not page.exists()
