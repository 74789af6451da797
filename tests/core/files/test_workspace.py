"""A workspace has one writer, and its scratch lies where experiments share it."""

from pathlib import Path

import pytest

from pixmill.core.errors import LockedError
from pixmill.core.files.workspace import Workspace

HOLDER = """
import sys, time
from pathlib import Path
from pixmill.core.files.workspace import Workspace
with Workspace(Path(sys.argv[1]), Path(sys.argv[1])).lock("train"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_workspace_has_one_writer_and_a_dead_one_holds_nothing(tmp_path: Path, start) -> None:
    workspace = Workspace(tmp_path, tmp_path)
    process, _ = start(HOLDER, str(tmp_path))
    with pytest.raises(LockedError, match="'train'"), workspace.lock("train"):
        pass
    other = tmp_path / "other"
    other.mkdir()
    with Workspace(other, tmp_path).lock("train"):
        pass
    process.kill()
    process.communicate()
    with workspace.lock("train"):
        pass


def test_scratch_lies_at_the_repository_that_a_temporary_copy_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "copy").mkdir()
    monkeypatch.chdir(tmp_path / "copy")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    workspace = Workspace.current()
    assert workspace.root == tmp_path / "copy"
    assert workspace.scratch("scrape") == tmp_path / ".pixmill" / "scrape"
