"""A workspace has one writer, and its scratch lies where experiments share it."""

import sys
from pathlib import Path

import pytest

from pixmill.core.errors import DataError, LockedError
from pixmill.core.files.workspace import Workspace, refuse_links

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


@pytest.mark.parametrize(
    ("link", "target"),
    [
        (".pixmill", "../elsewhere"),
        (".pixmill/open/predictions", "../../../elsewhere"),
        (".pixmill/open/added", "../../data"),  # in the project, but not in its scratch
        (".pixmill/scrape/journal/pictures/ab", "/"),
        (".pixmill/train.lock", "../../missing"),
        ("inbox/decided.jsonl", "../../.profile"),
        ("inbox/.lock", ".lock"),  # a loop
        (".pixmill/open/added/old", "missing"),  # no link is of Pixmill
    ],
)
def test_links_in_the_own_folders_are_refused(tmp_path: Path, link: str, target: str) -> None:
    root = tmp_path / "project"
    (root / "data").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (root / link).parent.mkdir(parents=True, exist_ok=True)
    (root / link).symlink_to(target)
    with pytest.raises(DataError) as caught:
        refuse_links(root)
    assert caught.value.next is not None
    assert str(root / link) in caught.value.next


def test_a_link_deeper_than_calls_may_nest_is_refused(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(".pixmill", *"a" * 400)
    folder.mkdir(parents=True)
    (folder / "link").symlink_to("/")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(300)
    try:
        with pytest.raises(DataError, match="is a symbolic link"):
            refuse_links(tmp_path)
    finally:
        sys.setrecursionlimit(limit)


def test_links_of_browsers_and_to_the_project_are_accepted(tmp_path: Path) -> None:
    profile = tmp_path / ".pixmill/scrape/browser/profile-1"
    profile.mkdir(parents=True)
    (profile / "SingletonSocket").symlink_to("/tmp/gone")
    linked = tmp_path / "link"
    linked.symlink_to(tmp_path)
    refuse_links(tmp_path)
    refuse_links(linked)
