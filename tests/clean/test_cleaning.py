"""What anybody may come back to stays, whatever keeps it; the rest goes, and nothing where that is not known."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pixmill.clean.cleaning import find_unneeded, needed_trainings, remove
from pixmill.clean.commits import all_named
from pixmill.cli import main
from pixmill.core.dvc import read_record
from pixmill.core.errors import DataError, LockedError, PixmillError
from pixmill.core.workspace import Workspace
from pixmill.sweep.planning import hold
from tests.clean.conftest import KEPT, md5, put
from tests.version_control import commit, dvc, git

pytestmark = pytest.mark.slow


def cached(root: Path, content: str) -> Path:
    digest = md5(content)
    return root / ".dvc" / "cache" / "files" / "md5" / digest[:2] / digest[2:]


def clean(workspace: Workspace) -> None:
    with find_unneeded(workspace) as unneeded:
        remove(workspace, unneeded)


def files(root: Path) -> set[Path]:
    return {path for path in (root / ".dvc" / "cache").rglob("*") if path.is_file()}


def tags(root: Path) -> str:
    return git(root, "for-each-ref", "refs/tags/pixmill-clean/")


def test_whatever_keeps_a_result_keeps_its_files(workspace: Workspace) -> None:
    root, before = workspace.root, git(workspace.root, "for-each-ref")
    assert [name for name in (*KEPT, "nobody") if not cached(root, name).exists()] == []
    with find_unneeded(workspace) as unneeded:
        assert cached(root, "nobody") in unneeded.files
        assert tags(root)
    all_files = files(root)
    assert cached(root, "nobody") in all_files
    clean(workspace)
    assert all_files - files(root) == {*unneeded.files}
    assert [name for name in (*KEPT, "nobody") if not cached(root, name).exists()] == ["nobody"]
    assert git(root, "for-each-ref") == before
    dvc(root, "checkout", "-q")
    assert (root / "data" / "a.jpg").read_text() == "workspace"
    # Each is checked out in full, with what the training made.
    git(root, "stash", "-q")
    for rev, image in (("main", "main"), ("branch", "branch"), ("v1", "tag"), ("main~1", "history")):
        git(root, "checkout", "-q", rev)
        shutil.rmtree(root / "artifacts", ignore_errors=True)
        dvc(root, "checkout", "-q")
        assert (root / "data" / "a.jpg").read_text() == image
        assert (root / "artifacts" / "train" / "model.weights.h5").read_text() == "weights 1"
    git(root, "checkout", "-q", "main")
    dvc(root, "exp", "apply", "kept")
    assert (root / "data" / "a.jpg").read_text() == "experiment"
    assert (root / "artifacts" / "train" / "model.weights.h5").read_text() == "weights 2"
    clean(workspace)
    with find_unneeded(workspace) as unneeded:
        assert unneeded.files == []


def test_a_kill_loses_nothing_and_the_next_start_goes_on(workspace: Workspace) -> None:
    root = workspace.root
    script = (
        "import os, sys; from pathlib import Path; from pixmill.clean import cleaning\n"
        "from pixmill.core.workspace import Workspace\n"
        "def killed(root): os.remove(sys.argv[1]); os.kill(os.getpid(), 9)\n"
        "cleaning.remove_unneeded = killed; work = Workspace(Path(), Path())\n"
        "with cleaning.find_unneeded(work) as found: cleaning.remove(work, found)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, cached(root, "nobody")], cwd=root, check=False)
    assert done.returncode == -signal.SIGKILL
    assert tags(root)
    git(root, "tag", "pixmill-clean/of-a-person")
    # A tag that stayed would keep what nobody needs any more.
    git(root, "stash", "drop", "-q")
    clean(workspace)
    assert tags(root).split()[2:] == ["refs/tags/pixmill-clean/of-a-person"]
    assert [name for name in KEPT if not cached(root, name).exists()] == ["stash"]


def test_nothing_goes_if_a_commit_cannot_be_read(workspace: Workspace) -> None:
    root = workspace.root
    git(root, "stash", "-q")
    git(root, "checkout", "-q", "-b", "broken")
    (root / "dvc.yaml").write_text("stages: [\n")
    commit(root)
    git(root, "checkout", "-q", "main")
    before = files(root)
    with pytest.raises(DataError, match="nothing was deleted, since `dvc gc` failed: Failed to collect"):
        clean(workspace)
    git(root, "branch", "-q", "-D", "broken")
    (root / ".git" / "objects" / git(root, "rev-parse", "main~1")[:2]).rename(root / "aside")
    with pytest.raises(DataError, match="nothing is deleted, since `git "):
        clean(workspace)
    (root / "aside").rename(root / ".git" / "objects" / git(root, "rev-parse", "main~1")[:2])
    (root / ".git" / "shallow").write_text(f"{git(root, 'rev-parse', 'main')}\n")
    with pytest.raises(DataError, match="shallow") as refusal:
        clean(workspace)
    assert refusal.value.next == "git fetch --unshallow"
    assert (files(root), tags(root)) == (before, "")


def test_what_a_paused_rebase_put_aside_stays(workspace: Workspace) -> None:
    root = workspace.root
    put(root, "aside")
    autostash = root / ".git" / "rebase-merge" / "autostash"
    autostash.parent.mkdir()
    autostash.write_text(git(root, "stash", "create") + "\n")
    put(root, "workspace")
    clean(workspace)
    assert [name for name in ("aside", "nobody") if cached(root, name).exists()] == ["aside"]


def test_commits_count_that_may_change_what_is_needed_by_params_alone(workspace: Workspace) -> None:
    root = workspace.root
    (root / "params.yaml").write_text("x: 5\n")
    git(root, "commit", "-q", "-m", "Change", "params.yaml")
    with all_named(root):
        assert git(root, "rev-parse", "HEAD") in tags(root)


def test_images_stay_if_the_list_of_their_folder_is_lost(workspace: Workspace) -> None:
    # Without it `dvc gc` removes the images, even where the files of data/ are links to them.
    record = read_record(workspace.root)
    assert record is not None
    digest = record["md5"]
    (workspace.root / ".dvc" / "cache" / "files" / "md5" / digest[:2] / digest[2:]).unlink()
    with pytest.raises(DataError, match="lacks the list") as refusal:
        clean(workspace)
    assert refusal.value.next is not None
    dvc(workspace.root, "add", "-q", "data")
    clean(workspace)
    assert cached(workspace.root, "workspace").exists()


def test_a_cache_that_others_may_use_is_left_alone(workspace: Workspace) -> None:
    root = workspace.root
    shared = root.parent / "cache"
    (root / ".dvc" / "cache").rename(shared)
    dvc(root, "config", "cache.dir", str(shared))
    with find_unneeded(workspace) as unneeded:
        assert unneeded.files == []
        assert unneeded.describe()["DVC's cache"] == f"left alone: {shared} may be shared with other projects"


def test_a_cache_that_a_worktree_uses_too_is_left_alone(workspace: Workspace) -> None:
    root, other = workspace.root, workspace.root.parent / "second"
    git(root, "worktree", "add", "-q", "--detach", str(other))
    dvc(other, "config", "--local", "cache.dir", str(root / ".dvc" / "cache"))
    with find_unneeded(workspace) as unneeded:
        assert unneeded.files == []
        assert unneeded.describe()["DVC's cache"] == f"left alone: the worktree {other} has the same"
        # It would remove the tags of the first.
        with pytest.raises(LockedError, match="another cleaning"):
            clean(Workspace(other, other))


def test_the_cache_of_a_project_that_moved_is_left_alone(workspace: Workspace) -> None:
    # `dvc gc` looks for the project where it is now, in all commits.
    root, moved = workspace.root, workspace.root / "moved"
    git(root, "stash", "-q")
    moved.mkdir()
    git(root, "mv", ".dvc", "data.dvc", "dvc.lock", "dvc.yaml", "params.yaml", "moved")
    git(root, "commit", "-q", "-m", "Move")
    with find_unneeded(Workspace(moved, moved)) as unneeded:
        assert unneeded.describe()["DVC's cache"] == "left alone: earlier commits have a project in another folder"
        assert unneeded.files == []


def test_a_training_is_needed_by_a_commit_that_had_the_project_in_another_folder(workspace: Workspace) -> None:
    root = workspace.root
    digest = f"{'1' * 32}.dir"
    (root / "before").mkdir()
    lock = f"schema: '2.0'\nstages: {{train: {{cmd: x, outs: [{{path: artifacts/train, md5: {digest}}}]}}}}\n"
    (root / "before" / "dvc.lock").write_text(lock)
    commit(root, "before")
    git(root, "rm", "-q", "before/dvc.lock")
    commit(root, "after")
    with all_named(root):
        _, unknown = needed_trainings(root, root / ".dvc" / "cache")
    assert digest in unknown


def test_a_cache_with_imported_data_is_left_alone(workspace: Workspace) -> None:
    # `dvc gc` takes what `dvc import` brought for unused, even where the workspace has it.
    root = workspace.root
    (root / "sub").mkdir()
    (root / "sub" / "theirs.dvc").write_text("deps:\n- path: d\n  repo:\n    url: ../src\nouts:\n- path: theirs\n")
    with find_unneeded(workspace) as unneeded:
        assert unneeded.describe()["DVC's cache"].startswith("left alone: `dvc gc` would remove")
    git(root, "add", "sub")
    git(root, "commit", "-q", "-m", "Import")
    git(root, "rm", "-q", "sub/theirs.dvc")
    git(root, "commit", "-q", "-m", "Remove")
    with find_unneeded(workspace) as unneeded:
        assert unneeded.files == []


def test_it_refuses_while_a_stage_a_sweep_dvc_or_another_cleaning_runs(workspace: Workspace) -> None:
    with workspace.lock("train"), pytest.raises(LockedError, match="the stage 'train'"):
        clean(workspace)
    with hold(workspace), pytest.raises(LockedError, match="a sweep is running"):
        clean(workspace)
    with find_unneeded(workspace), pytest.raises(LockedError, match="another sweep is running"), hold(workspace):
        pass
    with find_unneeded(workspace), pytest.raises(LockedError, match="another cleaning"):
        clean(workspace)
    script = workspace.root / ".dvc" / "tmp" / "dvc"
    script.write_text("import time; print(flush=True); time.sleep(60)")
    with subprocess.Popen([sys.executable, script], cwd=script.parent, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            with pytest.raises(LockedError, match=f"DVC is running \\(process {process.pid}"):
                clean(workspace)
        finally:
            process.kill()


def test_without_a_commit_or_git_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init", "-q")
    with pytest.raises(PixmillError, match="no commit"):
        clean(Workspace(tmp_path, tmp_path))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(PixmillError, match="the program git is not on PATH"):
        clean(Workspace(tmp_path, tmp_path))


def test_the_command_shows_first_and_deletes_when_told(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = workspace.root
    monkeypatch.chdir(root)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    size = 2_000_000
    put(root, "x" * size)
    put(root, "workspace")
    page = root / ".pixmill" / "plots" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_bytes(bytes(size))
    main(["clean"])
    said = capsys.readouterr().out
    assert "2.0 MB  4 files, the newest of 20" in said
    assert said.endswith("Nothing is deleted yet. To delete this for good: pixmill clean --yes\n")
    assert page.exists()
    assert cached(root, "x" * size).exists()
    main(["clean", "--yes"])
    assert capsys.readouterr().out.endswith("Freed 4.0 MB.\n")
    assert not page.exists()
    assert not cached(root, "x" * size).exists()
    main(["clean"])
    assert capsys.readouterr().out.endswith("Nothing to delete.\n")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    killed = root / ".dvc" / "tmp" / "exps" / "standalone" / "tmpx"
    killed.mkdir(parents=True)
    (killed / "copy").write_bytes(bytes(size))
    main(["clean", "--yes"])
    said = capsys.readouterr().out
    assert "2.0 MB  folders of killed experiments\n" in said
    assert "-  left alone: it is not in this folder\n" in said
    assert not killed.exists()
