"""Go back to earlier commits by new ones."""

import contextlib
import itertools
import os
import shutil
import subprocess

import pytest

from pixmill.core.errors import PixmillError
from pixmill.project import going_back
from pixmill.project.going_back import find_day_before, go_back, make_plan
from pixmill.project.page.actions import Actions
from pixmill.project.state import ProjectState
from tests.experiments.compare.projects import begin
from tests.version_control import PERSON, commit, dvc_repo, git, start_repository
from tests.waiting import until

HEADER = "image,label,answer,split,by,why\n"
FIRST = f"{'a' * 64},coat,yes,,,\n"
SECOND = f"{'b' * 64},coat,yes,,,\n"


@pytest.fixture(autouse=True)
def person(monkeypatch):
    for name, value in PERSON.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project with two commits: one image and one decision each."""
    root = tmp_path_factory.mktemp("made") / "project"
    start_repository(root, with_dvc=True)
    begin(root)
    for number, rows in enumerate((FIRST, FIRST + SECOND), 1):
        (root / "data/coat/2.png").unlink(missing_ok=True)
        (root / f"data/coat/{number}.png").write_text(f"image {number}")
        with dvc_repo(root) as repo:
            repo.add("data")
        write_results(root, number)
        (root / "decisions.csv").write_text(HEADER + rows)
        commit(root, f"Result {number}")
    return root


@pytest.fixture
def root(made, tmp_path):
    shutil.copytree(made, tmp_path / "project", symlinks=True)
    return tmp_path / "project"


def write_results(root, number):
    (root / "params.yaml").write_text(f"train: {{epochs: {number}}}\n")
    (root / "metrics").mkdir(exist_ok=True)
    for old in (root / "metrics").iterdir():
        old.unlink()
    (root / f"metrics/{number}.json").write_text(str(number))


def files(root):
    """Return what goes back."""
    names = git(root, "ls-files", "--", *going_back._FILES).splitlines()
    return {name: (root / name).read_text() for name in names if (root / name).exists()}


def test_back_and_forth_gives_the_same_files(root):
    (root / "notes.txt").write_text("mine")
    (root / "inbox").mkdir()
    (root / "inbox/correction").write_text("a correction")
    one, two = git(root, "rev-parse", "HEAD~1", "HEAD").splitlines()
    after = files(root)
    plan = make_plan(root, one)
    assert (plan.files, plan.decisions) == ((2, 1), 1)
    go_back(root, plan, take_back=False)
    assert (root / "metrics/1.json").exists()
    assert not (root / "metrics/2.json").exists()
    assert git(root, "diff", one, "--stat", "--", *going_back._FILES) == ""
    assert (root / "decisions.csv").read_text() == HEADER + FIRST + SECOND
    assert git(root, "status", "--porcelain", "--untracked-files=no") == ""
    assert git(root, "rev-parse", "HEAD~1") == two
    with dvc_repo(root) as repo:
        repo.checkout(["data.dvc"])
    assert [path.name for path in (root / "data/coat").iterdir()] == ["1.png"]
    go_back(root, make_plan(root, two), take_back=False)
    assert files(root) == after
    assert (root / "notes.txt").read_text() == "mine"
    assert (root / "inbox/correction").exists()


def test_decisions_are_taken_back_only_on_request(root):
    go_back(root, make_plan(root, git(root, "rev-parse", "HEAD~1")), take_back=True)
    assert (root / "decisions.csv").read_text() == HEADER + FIRST


def test_uncommitted_results_are_kept_in_a_commit(root):
    one = git(root, "rev-parse", "HEAD~1")
    write_results(root, 3)
    changed = files(root) | {"metrics/3.json": "3"}
    go_back(root, make_plan(root, one), take_back=False)
    assert not (root / "metrics/3.json").exists()
    go_back(root, make_plan(root, git(root, "rev-parse", "HEAD~1")), take_back=False)
    assert files(root) == changed


def test_refuses_what_would_lose_something(root):
    one, two = git(root, "rev-parse", "HEAD~1", "HEAD").splitlines()
    for name in ("0" * 40, "--help", "HEAD~1"):
        with pytest.raises(PixmillError, match="no such commit"):
            make_plan(root, name)
    (root / "decisions.csv").write_text(HEADER)
    (root / "data/hat").mkdir()
    (root / "data/coat/2.png").rename(root / "data/hat/2.png")
    (root / "data/coat/3.png").write_text("image 3")
    plan = make_plan(root, one)
    assert plan.obstacles == (
        "decisions.csv differs from the last commit: commit it",
        "data/coat has 1 file that no commit has: commit or delete them",
        "data/hat has 1 file that no commit has: commit or delete them",
    )
    with pytest.raises(PixmillError, match="that no commit has"):
        go_back(root, plan, take_back=False)
    git(root, "checkout", "decisions.csv")
    (root / "data/hat/2.png").rename(root / "data/coat/2.png")
    (root / "data/coat/3.png").unlink()
    assert make_plan(root, one).obstacles == ()
    (root / "data/coat/1.png").unlink()
    assert make_plan(root, one).obstacles == (
        "data/ lacks 1 file of the last commit: commit that, or bring them back",
    )
    (root / "data/coat/1.png").write_text("image 1")
    shutil.rmtree(root / ".dvc/cache")
    (lacking,) = make_plan(root, one).obstacles
    assert "cache lacks" in lacking
    assert git(root, "rev-parse", "HEAD") == two


def return_to(root, commit):
    """Go back as the page does, until all is there."""
    page = Actions(root)
    page.go_back(ProjectState(root), commit, take_back=False)
    until(lambda: page.checkout.pid is None)
    assert page.checkout.document()["status"] == 0


def test_going_back_twice_is_not_taken_for_an_interrupted_first(root):
    one = git(root, "rev-parse", "HEAD~1")
    return_to(root, one)
    assert not make_plan(root, one).is_begun
    (root / "data/hat").mkdir()
    (root / "data/coat/1.png").rename(root / "data/hat/1.png")
    (root / "params.yaml").write_text("train: {epochs: 7}\n")
    assert len(make_plan(root, one).obstacles) == 2
    with dvc_repo(root) as repo:
        repo.add("data")
    commit(root, "Move")
    (root / "params.yaml").write_text("train: {epochs: 8}\n")
    return_to(root, one)
    assert [path.parent.name for path in root.glob("data/*/*")] == ["coat"]
    assert (root / "params.yaml").read_text() == "train: {epochs: 1}\n"
    assert git(root, "show", "HEAD~1:params.yaml") == "train: {epochs: 8}"


@pytest.mark.parametrize("returned", [False, True])
def test_what_is_changed_after_a_kill_is_not_overwritten(root, returned):
    one = git(root, "rev-parse", "HEAD~1")
    go_back(root, make_plan(root, one), take_back=False)
    if returned:  # killed before it had all images
        (root / "data/coat/1.png").write_text("image 1")
    plan = make_plan(root, one)
    assert (plan.is_begun, plan.obstacles) == (True, ())
    (root / "data/hat").mkdir()
    (root / "data/coat/2.png").rename(root / "data/hat/2.png")
    assert make_plan(root, one).obstacles == (
        "data/hat has 1 file that no commit has: commit or delete them",
    )
    (root / "data/hat/2.png").unlink()
    (root / "params.yaml").write_text("train: {epochs: 7}\n")
    return_to(root, one)
    assert (root / "params.yaml").read_text() == "train: {epochs: 1}\n"
    assert git(root, "show", "HEAD~1:params.yaml") == "train: {epochs: 7}"


def test_a_malformed_table_of_decisions_is_no_obstacle(root):
    text = (root / "decisions.csv").read_text()
    (root / "decisions.csv").write_text(f"\ufeff{text}")
    commit(root, "Save with a spreadsheet")
    (root / "decisions.csv").write_text(text.replace(",", ";"))
    commit(root, "Save with another one")
    (root / "decisions.csv").write_text(text)
    commit(root, "Correct it")
    broken, marked = git(root, "rev-parse", "HEAD~1", "HEAD~2").splitlines()
    assert (make_plan(root, marked).decisions, make_plan(root, broken).decisions) == (0, 0)
    go_back(root, make_plan(root, broken), take_back=True)
    assert (root / "decisions.csv").read_text() == text


class Killed(BaseException):
    """Stands for SIGKILL."""


def test_killed_at_any_moment_it_is_completed_by_going_back_again(root, tmp_path, monkeypatch):
    (root / "params.yaml").write_text("train: {epochs: 3}\n")  # in no commit
    one, two = git(root, "rev-parse", "HEAD~1", "HEAD").splitlines()
    change = going_back.change
    for moment in itertools.count(1):
        copy = tmp_path / str(moment)
        shutil.copytree(root, copy, symlinks=True)
        calls = itertools.count(1)

        def dying(*words, moment=moment, calls=calls):
            if next(calls) == moment:
                raise Killed
            change(*words)

        with monkeypatch.context() as patch, contextlib.suppress(Killed):
            patch.setattr(going_back, "change", dying)
            go_back(copy, make_plan(copy, one), take_back=True)
        go_back(copy, make_plan(copy, one), take_back=True)
        assert git(copy, "diff", one, "--stat") == ""
        assert git(copy, "status", "--porcelain", "--untracked-files=no") == ""
        assert git(copy, "show", "HEAD~1:params.yaml") == "train: {epochs: 3}\n".strip()
        assert git(copy, "rev-parse", "HEAD~2") == two
        if next(calls) <= moment:  # it was not killed
            break
    assert moment > 4


def test_the_page_brings_images_again_but_loses_none(root):
    one = git(root, "rev-parse", "HEAD~1")
    page = Actions(root)
    late = root / "data/coat/late.png"
    start = page.checkout.start

    def arrive(*targets):
        late.write_text("in no cache")
        start(*targets)

    page.checkout.start = arrive
    page.go_back(ProjectState(root), one, take_back=False)
    until(lambda: page.checkout.pid is None)
    assert page.checkout.document()["status"] != 0
    assert late.exists()
    assert make_plan(root, one).obstacles == (
        "data/coat has 1 file that no commit has: commit or delete them",
    )
    late.unlink()
    return_to(root, one)
    assert [path.name for path in (root / "data/coat").iterdir()] == ["1.png"]
    assert git(root, "rev-list", "--count", f"{one}..HEAD") == "2"


def test_the_day_before(root):
    assert find_day_before(root) is None
    old = {"GIT_COMMITTER_DATE": "2020-01-01T12:00:00"}
    command = ["git", "commit", "-q", "--amend", "--no-edit"]
    subprocess.run(command, cwd=root, env=os.environ | old, check=True)
    day = git(root, "rev-parse", "HEAD")
    assert find_day_before(root) == {"commit": day, "commits": 0}
    (root / "params.yaml").write_text("train: {epochs: 9}\n")
    commit(root, "Today")
    assert find_day_before(root) == {"commit": day, "commits": 1}
