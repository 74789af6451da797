"""Git merges branches that changed images and results, and nothing is lost."""

import contextlib
import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pixmill.core.decisions import FILE as DECISIONS
from pixmill.core.decisions import Row, disputes, group_rows, parse_rows, read_rows, render_rows
from pixmill.core.errors import DataError, PixmillError
from pixmill.core.repository.file_hashes import FileHashes
from pixmill.core.repository.merging import (
    FIX,
    add_drivers,
    merge_again,
    merge_decisions,
    merge_problem,
    merge_records,
)
from pixmill.project.doctor import run_check
from pixmill.project.next_steps import next_steps
from pixmill.project.state import read_project_state, read_repository
from tests.command import run_pixmill
from tests.version_control import add_attributes, commit, dvc, git, start_repository

BASE = {"a/1.jpg": "1", "a/2.jpg": "2", "b/3.jpg": "3"}

OURS = {"b/2.jpg": "2", "a/1.jpg": "1", "b/3.jpg": "3", "a/4.jpg": "4"}
"""One image was relabelled, one added."""

THEIRS = {"a/1.jpg": "1", "a/2.jpg": "2", "b/5.jpg": "5"}
"""One image was deleted, one added."""

BOTH = {"a/1.jpg": "1", "a/4.jpg": "4", "b/2.jpg": "2", "b/5.jpg": "5"}

RESULTS = ("dvc.lock", "metrics/train.json", "plots/train/full.json")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return start_repository(tmp_path_factory.mktemp("merging") / "my project", with_dvc=True)


def record(root: Path, images: dict[str, str]) -> str:
    """Put images into ``data/`` and DVC's cache, and return ``data.dvc``."""
    shutil.rmtree(root / "data", ignore_errors=True)
    for name, content in images.items():
        (root / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "data" / name).write_text(content)
    dvc(root, "add", "data")
    return (root / "data.dvc").read_text()


@pytest.mark.parametrize(
    ("ours", "theirs", "both"),
    [
        (OURS, THEIRS, BOTH),
        ({"a/1.jpg": "1"}, {"a/1.jpg": "1", "b/2.jpg": "2"}, {"a/1.jpg": "1", "b/2.jpg": "2"}),
        ({**BASE, "a/1.jpg": "new"}, {**THEIRS, "a/1.jpg": "new"}, {**THEIRS, "a/1.jpg": "new"}),
        ({**BASE, "b/3.jpg": "cropped"}, THEIRS, {**THEIRS, "b/3.jpg": "cropped"}),
        (THEIRS, {**BASE, "b/3.jpg": "cropped"}, {**THEIRS, "b/3.jpg": "cropped"}),
        (
            {**BASE, "a/4.jpg": "4"},
            {**BASE, "a/4.jpg": "5"},
            {**BASE, "a/4.jpg": "4", "a/4-e4da3b7f.jpg": "5"},
        ),
    ],
    ids=[
        "add-relabel-delete",
        "both-delete-and-relabel",
        "both-change",
        "change-delete",
        "delete-change",
        "same-name",
    ],
)
def test_record_is_that_of_both_sides_images(
    empty: Path, ours: dict[str, str], theirs: dict[str, str], both: dict[str, str]
) -> None:
    merged = merge_records(empty, *(record(empty, images) for images in (BASE, ours, theirs)))
    assert merged == record(empty, both)


def test_record_without_common_ancestor(empty: Path) -> None:
    assert merge_records(empty, "", record(empty, OURS), record(empty, BASE)) == record(
        empty, OURS | BASE
    )


def test_record_without_the_list_of_the_common_ancestor(empty: Path) -> None:
    lost = f"outs:\n- md5: {'0' * 32}.dir\n  path: data\n"
    assert merge_records(empty, lost, record(empty, OURS), record(empty, THEIRS)) == record(
        empty, OURS | THEIRS
    )


def test_lists_are_fetched_from_the_remote(tmp_path: Path) -> None:
    root = start_repository(tmp_path / "mine", with_dvc=True)
    dvc(root, "remote", "add", "-d", "team", str(tmp_path / "team"))
    sides = [record(root, images) for images in (BASE, OURS, THEIRS)]
    cache = root / ".dvc/cache/files/md5"
    with pytest.MonkeyPatch.context() as patch:
        shutil.copytree(cache, tmp_path / "team/files/md5")
        shutil.rmtree(cache)
        patch.chdir(root)
        merged = merge_records(root, *sides)
    # The images are not fetched, so the size is unknown.
    assert {path.suffix for path in cache.rglob("*") if path.is_file()} == {".dir"}
    assert [
        line for line in record(root, BOTH).splitlines() if "size" not in line
    ] == merged.splitlines()
    shutil.rmtree(tmp_path / "team")
    shutil.rmtree(cache)
    with pytest.raises(DataError, match="neither DVC's cache nor its remote") as refused:
        merge_records(root, *sides)
    assert str(refused.value.next).endswith("then here: pixmill doctor --fix")


@pytest.fixture(scope="module")
def branches(empty: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose branches ``main`` and ``other`` both changed images, results and a param."""
    root = tmp_path_factory.mktemp("branches") / "my project"
    shutil.copytree(empty, root, symlinks=True)
    add_attributes(root)

    def write(images: dict[str, str], param: str) -> None:
        record(root, images)
        for name in (*RESULTS, "params.yaml"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(f"a: {param}\n")
        commit(root)

    write(BASE, "1")
    for branch, images in (("other", THEIRS), ("main", OURS)):
        git(root, "checkout", "-q", "-B", branch, "other~1" if branch == "main" else "main")
        write(images, branch)
    return root


@pytest.fixture
def project(branches: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(branches, tmp_path / "my project", symlinks=True))


def unmerged(root: Path) -> set[str]:
    return set(git(root, "diff", "--name-only", "--diff-filter=U").splitlines())


def attempt(root: Path, *words: str) -> None:
    with contextlib.suppress(subprocess.CalledProcessError):
        git(root, *words)


@pytest.mark.parametrize("operation", ["merge", "rebase", "cherry-pick"])
def test_only_params_are_left_to_the_user(project: Path, operation: str, empty: Path) -> None:
    assert merge_problem(project)
    add_drivers(project)
    assert merge_problem(project) is None
    attempt(project, operation, "other")
    assert unmerged(project) == {"params.yaml"}
    assert (project / "data.dvc").read_text() == record(empty, BOTH)
    ours = "other" if operation == "rebase" else "main"
    assert {(project / name).read_text() for name in RESULTS} == {f"a: {ours}\n"}


@pytest.mark.parametrize(
    ("branch", "words"),
    [
        ("main", "merge other"),
        ("main", "rebase other"),
        ("main", "cherry-pick other"),
        ("start", "merge main other"),
    ],
)
def test_conflict_without_drivers(project: Path, branch: str, words: str, empty: Path) -> None:
    git(project, "branch", "start", "main~1")
    git(project, "checkout", "-q", branch)
    attempt(project, *words.split())
    files = unmerged(project)
    assert files == {"data.dvc", *RESULTS, "params.yaml"}
    assert set(merge_again(project, sorted(files))) == {"data.dvc", *RESULTS}
    assert unmerged(project) == {"params.yaml"}
    assert (project / "data.dvc").read_text() == record(empty, BOTH)
    assert not [name for name in RESULTS if "<<<" in (project / name).read_text()]


def test_one_command_sets_up_a_clone_and_merges_again(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    monkeypatch.delenv("CI", raising=False)
    (project / "dvc.yaml").write_text("stages: {}\n")
    commit(project)
    assert [found.next for found in run_check("merging", project)] == [FIX]
    attempt(project, "merge", "other")
    assert [found.next for found in run_check("data", project)] == [FIX]
    assert run_pixmill("doctor", "--fix") == 0
    assert merge_problem(project) is None
    assert unmerged(project) == {"params.yaml"}
    attributes = (project / ".gitattributes").read_text()
    (project / ".gitattributes").write_text(attributes.replace("metrics/**", "metrics/of-old/*"))
    assert [found.next for found in run_check("merging", project)] == ["pixmill new ."]
    capsys.readouterr()
    assert run_pixmill("doctor", "--fix", "merging") == 0
    assert capsys.readouterr().out.endswith("Next: pixmill new .\n")
    (project / ".gitattributes").write_text(attributes)
    assert [found.next for found in run_check("data", project)] == ["git diff params.yaml"]


def test_record_that_a_person_resolved_is_kept(project: Path) -> None:
    attempt(project, "merge", "other")
    assert (
        next_steps(read_project_state(project, stages=False, full=False))[0].command
        == "pixmill doctor --fix"
    )
    git(project, "checkout", "-q", "--ours", "data.dvc")
    own = record(project, {**BOTH, "a/6.jpg": "6"})
    assert "data.dvc" not in merge_again(project, ["data.dvc", *RESULTS])
    assert (project / "data.dvc").read_text() == own
    (project / "params.yaml").write_text("a: both\n")
    git(project, "add", "params.yaml")
    assert (
        next_steps(read_project_state(project, stages=False, full=False))[0].command
        == "git add data.dvc"
    )


def test_locked_configuration_is_an_error(project: Path) -> None:
    (project / ".git/config.lock").touch()
    with pytest.raises(PixmillError, match="lock config file"):
        add_drivers(project)


def deleted_here(root: Path) -> None:
    git(root, "rm", "-q", RESULTS[2])
    commit(root)


def deleted_there(root: Path) -> None:
    git(root, "checkout", "-q", "other")
    deleted_here(root)
    git(root, "checkout", "-q", "main")


@pytest.mark.parametrize("change", [deleted_here, deleted_there])
def test_result_that_one_side_deleted_is_that_of_our_side(
    project: Path, change: Callable[[Path], None]
) -> None:
    add_drivers(project)
    change(project)
    attempt(project, "merge", "other")
    # Git calls no driver.
    assert unmerged(project) == {RESULTS[2], "params.yaml"}
    assert merge_again(project, [RESULTS[2]]) == [RESULTS[2]]
    assert unmerged(project) == {"params.yaml"}
    assert git(project, "diff", "--cached", "HEAD", "--", RESULTS[2]) == ""


def test_marks_that_were_added_to_the_index_or_committed(project: Path, empty: Path) -> None:
    attempt(project, "merge", "other")
    git(project, "add", ".")
    merge_again(project, ["data.dvc", "dvc.lock"])
    assert (project / "data.dvc").read_text() == record(empty, BOTH)
    assert (project / "dvc.lock").read_text() == "a: main\n"
    git(project, "read-tree", "HEAD")  # as in another clone
    for name in ("data.dvc", "dvc.lock"):
        with pytest.raises(DataError, match="does not have both sides"):
            merge_again(project, [name])


def test_driver_without_pixmill_leaves_marks(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", str(project / "gone/python"))
    add_drivers(project)
    assert merge_problem(project)
    attempt(project, "merge", "other")
    # Without marks, one side's images would look like the result.
    assert "data.dvc" in unmerged(project)
    assert "\n<<<<<<< ours\n" in (project / "data.dvc").read_text()


def test_merge_under_way_is_not_undone_by_advice(project: Path) -> None:
    add_drivers(project)
    attempt(project, "merge", "other")
    (project / "params.yaml").write_text("a: both\n")
    git(project, "add", "params.yaml")
    with FileHashes(project) as hashes:
        found = read_repository(project, hashes).uncommitted
    # `dvc add data` would remove the images of the other side, which are not in data/ yet.
    assert (found.has_earlier_images, found.before, found.missing) == (True, [], "")


def test_modules_of_a_branch_do_not_run(project: Path) -> None:
    add_drivers(project)
    (project / "yaml.py").write_text("raise SystemExit(1)\n")
    (project / "pixmill").mkdir()
    (project / "pixmill/__init__.py").touch()
    attempt(project, "merge", "other")
    assert "data.dvc" not in unmerged(project)


def test_two_clones_that_label_the_same_images_merge(tmp_path: Path) -> None:
    ids = [f"{number:064x}" for number in range(500)]
    first = start_repository(tmp_path / "first")
    add_attributes(first)
    earlier = [Row(ids[0], "coat"), Row(ids[1], "coat"), Row("data/coat/5.png", "", "keep")]
    (first / "data/coat").mkdir(parents=True)
    (first / "data/coat/5.png").write_bytes(b"5")
    (first / DECISIONS).write_text(render_rows(earlier))
    commit(first)
    second = tmp_path / "second"
    git(tmp_path, "clone", "-q", str(first), str(second))

    def label(root: Path, by: str, classes: list[str]) -> None:
        add_drivers(root)
        rows = [Row(name, label, by=by) for name, label in zip(ids[2:], classes, strict=True)]
        (root / DECISIONS).write_text(render_rows([*rows, Row(ids[0], by, by=by), *earlier[2:]]))
        commit(root)

    # Both relabel the first image, and undo a label that the second one had.
    label(first, "ann", ["coat"] * 498)
    label(second, "bob", ["coat"] * 488 + ["dress"] * 10)
    git(second, "pull", "-q", "--no-rebase", "--no-edit")
    git(first, "pull", "-q", "--no-rebase", "--no-edit", str(second))
    assert (first / DECISIONS).read_bytes() == (second / DECISIONS).read_bytes()
    decided = group_rows(read_rows(first / DECISIONS), {})
    # An image is known by its id, whatever a person wrote.
    assert decided.keys() == {ids[0], *ids[2:], hashlib.sha256(b"5").hexdigest()}
    said = disputes(decided)
    assert said.keys() == {ids[0], *ids[490:]}
    assert said[ids[0]] == "ann (ann) and bob (bob)"
    assert said[ids[499]] == "coat (ann) and dress (bob)"


@pytest.mark.parametrize("task", ["one_label", "labels"])
def test_contradiction_of_both_sides_is_announced(
    tmp_path: Path, task: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "params.yaml").write_text(f"task: {task}\n")
    others = [Row("b" * 64, "coat"), Row("b" * 64, "dress")]
    sides = [render_rows([Row("a" * 64, "", answer), *others]) for answer in ("keep", "drop")]
    merged = parse_rows(merge_decisions(tmp_path, "", sides[0], sides[1]))
    assert [row.answer for row in merged] == ["drop", "keep", "yes", "yes"]
    images = "2 images" if task == "one_label" else "1 image"
    assert f"disagree about {images}," in capsys.readouterr().err


def test_tables_that_a_spreadsheet_saved_merge(tmp_path: Path) -> None:
    root = start_repository(tmp_path)
    add_attributes(root)
    add_drivers(root)
    git(root, "config", "core.autocrlf", "false")

    def save(*images: str, mark: str = "\ufeff") -> None:
        text = mark + render_rows([Row(name * 64, "coat") for name in images])
        (root / DECISIONS).write_bytes(text.replace("\n", "\r\n").encode())
        commit(root)

    save("a")
    git(root, "checkout", "-qb", "other")
    save("a", "b")
    git(root, "checkout", "-q", "main")
    save("a", "c", mark="")
    git(root, "merge", "-q", "--no-edit", "other")
    assert [row.image[0] for row in read_rows(root / DECISIONS)] == ["a", "b", "c"]
