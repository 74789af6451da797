"""Uncommitted images and decisions are reported with the command that commits them."""

import hashlib
import json

import pytest

from pixmill.core.decisions import Row, render_rows
from pixmill.core.repository.dvc import DEFAULT_CACHE
from pixmill.core.repository.file_hashes import FileHashes
from pixmill.dataset.deciding import DecisionTable
from pixmill.dataset.uncommitted import commit_first, find_uncommitted, read_data
from pixmill.project.doctor import run_check
from tests.version_control import commit, git, start_repository

DISCARD = "commit first, else a checkout or pull may discard it"


COMMIT = 'git commit -m "Add images and decisions"'


def describe_uncommitted(root):
    """Return the description of uncommitted files, and the command that commits them."""
    found = find_uncommitted(root)
    command = found.command("Add images and decisions")
    return None if command is None else (found.sentence, command)


@pytest.fixture(autouse=True)
def default_cache(monkeypatch):
    """Nobody asks DVC, which takes a second, where its cache is."""
    monkeypatch.setattr(
        "pixmill.dataset.uncommitted.cache_folder", lambda root: root / DEFAULT_CACHE
    )


@pytest.fixture
def project(tmp_path):
    (tmp_path / ".dvc").mkdir()
    record(tmp_path, {"coat/a.jpg": hashlib.md5(b"x" * 100).hexdigest()})
    (tmp_path / "decisions.csv").write_text("image,label,answer,split,by,why\n")
    (tmp_path / ".gitignore").write_text("/data\n")
    git(start_repository(tmp_path), "add", ".")
    return tmp_path


def test_what_is_committed_or_before_the_first_commit_needs_no_word(project):
    assert describe_uncommitted(project) is None
    git(project, "commit", "-qm", "x")
    assert describe_uncommitted(project) is None
    assert commit_first(project, "dvc pull") == "dvc pull"


def test_what_differs_is_committed_first(project):
    git(project, "commit", "-qm", "x")
    (project / "decisions.csv").write_text("image,label,answer,split,by,why\nabcdef0123,,keep,,,\n")
    assert commit_first(project, "dvc pull") == f"git add decisions.csv && {COMMIT} && dvc pull"
    (project / "data/coat/b.jpg").write_bytes(b"y")
    assert describe_uncommitted(project) == (
        f"data/ differs from data.dvc, and decisions.csv differs from the last commit: {DISCARD}",
        f"dvc add data && git add data.dvc decisions.csv && {COMMIT}",
    )


def test_the_params_are_committed_with_images_and_decisions(project):
    params = project / "params.yaml"
    params.write_text("classes: [coat, dress]\n")
    git(project, "add", "params.yaml")
    git(project, "commit", "-qm", "x")
    params.write_text("classes: [coat, dress, shoe]\ntrain: {epochs: 2}\n")
    assert describe_uncommitted(project) is None
    (project / "decisions.csv").write_text(
        "image,label,answer,split,by,why\nabcdef0123,shoe,yes,,,\n"
    )
    assert describe_uncommitted(project)[1] == f"git add decisions.csv params.yaml && {COMMIT}"
    for needed in (
        "scrape: {source_by_class: {coat: [folder]}}",
        "evaluate: {unlabelled: data/unlabelled}",
    ):
        params.write_text(f"classes: [coat, dress]\n{needed}\n")
        assert describe_uncommitted(project)[1] == f"git add decisions.csv params.yaml && {COMMIT}"
    for others in ("classes: [coat, dress]\ntrain: {epochs: 2}\n", "classes: [\n", "3\n"):
        params.write_text(others)
        assert describe_uncommitted(project)[1] == f"git add decisions.csv && {COMMIT}"
    params.unlink()
    assert describe_uncommitted(project)[1] == f"git add decisions.csv && {COMMIT}"


def record(root, listing):
    """Write ``data.dvc``, and the list of its files as DVC's cache has it."""
    content = json.dumps([{"md5": listing[name], "relpath": name} for name in sorted(listing)])
    md5 = f"{hashlib.md5(content.encode()).hexdigest()}.dir"
    path = root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    for file in (root / "data").rglob("*.jpg"):
        file.unlink()
    for name in listing:
        (root / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "data" / name).write_bytes(b"x" * 100)
    (root / "data.dvc").write_text(
        f"outs:\n- md5: {md5}\n  nfiles: {len(listing)}\n  size: {100 * len(listing)}\n  path: "
        "data\n"
    )


def applied(project):
    """Let the last experiment that DVC applied hold the current images."""
    tree = git(project, "stash", "create")
    experiment = git(project, "commit-tree", f"{tree}^{{tree}}", "-m", "Experiment")
    git(project, "update-ref", "refs/exps/exec/EXEC_APPLY", experiment)


def test_deleted_images_are_no_loss(project):
    record(project, {"coat/a.jpg": "a1", "coat/b.jpg": "b2", "metadata.csv": "c3"})
    commit(project)
    record(project, {"coat/a.jpg": "a1", "metadata.csv": "d4"})
    found = find_uncommitted(project)
    assert (found.missing, found.removed) == ("", "1 image")
    assert "git checkout HEAD -- data.dvc && dvc checkout data.dvc" in found.sentence
    assert found.command("Fewer") == 'git add data.dvc && git commit -m "Fewer"'


@pytest.mark.parametrize(
    ("files", "is_recorded", "command"),
    [
        (("a",), True, "git checkout -- data.dvc"),  # by `dvc repro` after a merge
        (("a", "own"), True, "git checkout -- data.dvc && mv data ../data-mine"),
        (("a", "own"), False, "git checkout -- data.dvc && mv data ../data-mine"),
        (("a", "b", "own"), False, f"dvc add data && git add data.dvc && {COMMIT}"),
        (("b", "c"), True, f"git add data.dvc && {COMMIT}"),
    ],
)
def test_images_of_others_are_fetched_before_own_are_added(project, files, is_recorded, command):
    digest = hashlib.md5(b"x" * 100).hexdigest()
    commit(project)
    record(project, {f"coat/{name}.jpg": digest for name in ("a", "b", "c")})
    commit(project)
    recorded = (project / "data.dvc").read_text()
    record(project, {f"coat/{name}.jpg": digest for name in files})
    if not is_recorded:
        (project / "data.dvc").write_text(recorded)
    assert describe_uncommitted(project)[1] == command


def test_images_of_an_earlier_commit_may_come_back(project):
    digest = hashlib.md5(b"x" * 100).hexdigest()
    for names in ("ab", "a"):
        record(project, {f"coat/{name}.jpg": digest for name in names})
        commit(project)
    record(project, {f"coat/{name}.jpg": digest for name in "ab"})
    assert describe_uncommitted(project)[1] == f"git add data.dvc && {COMMIT}"


def test_what_an_applied_experiment_took_back_is_named_and_its_loss_not_committed(project):
    record(project, {"coat/a.jpg": "a1", "coat/b.jpg": "b2", "coat/c.jpg": "c3"})
    (project / "decisions.csv").write_text("image,label,answer,split,by,why\nabcdef0123,,keep,,,\n")
    commit(project)
    record(project, {"coat/a.jpg": "a1"})
    (project / "decisions.csv").write_text("image,label,answer,split,by,why\n")
    applied(project)
    assert describe_uncommitted(project) == (
        "Missing here, but in the last commit: 2 images and 1 decision "
        "(if intended: git add data.dvc decisions.csv && git commit)",
        "git checkout HEAD -- data.dvc decisions.csv && dvc checkout data.dvc",
    )
    # A checkout would discard the new files.
    record(project, {"coat/a.jpg": "a1", "coat/d.jpg": "d4"})
    applied(project)
    sentence, command = describe_uncommitted(project)
    assert sentence.startswith("Missing here, but in the last commit: 2 images and 1 decision (")
    assert (
        command == 'git add data.dvc decisions.csv && git commit -m "Change images and decisions"'
    )


def test_a_moved_image_and_a_changed_decision_are_not_missing(project):
    record(project, {"coat/a.jpg": "a1", "coat/b.jpg": "b2"})
    (project / "decisions.csv").write_text("image,label,answer,split,by,why\nabcdef0123,,keep,,,\n")
    commit(project)
    record(project, {"coat/a.jpg": "a1", "hat/b.jpg": "b2"})
    (project / "decisions.csv").write_text("image,label,answer,split,by,why\nabcdef0123,,drop,,,\n")
    sentence, command = describe_uncommitted(project)
    assert sentence == f"data.dvc and decisions.csv differ from the last commit: {DISCARD}"
    assert command == f"git add data.dvc decisions.csv && {COMMIT}"


def test_a_deleted_file_is_brought_back_and_not_committed(project):
    git(project, "commit", "-qm", "x")
    git(project, "rm", "-q", "decisions.csv")
    assert describe_uncommitted(project) == (
        "decisions.csv is deleted: " + DISCARD,
        "git checkout HEAD -- decisions.csv",
    )
    (project / "data.dvc").unlink()
    (project / "data/coat/b.jpg").write_bytes(b"y")
    assert describe_uncommitted(project) == (
        f"data/ differs from data.dvc, and data.dvc and decisions.csv are deleted: {DISCARD}",
        "git checkout HEAD -- data.dvc decisions.csv && dvc add data && git add data.dvc && "
        f"{COMMIT}",
    )


def test_images_that_no_data_dvc_records_are_added(project):
    git(project, "rm", "-q", "--cached", "data.dvc")
    (project / "data.dvc").unlink()
    git(project, "commit", "-qm", "x")
    what, command = describe_uncommitted(project)
    assert (what, command) == (
        f"data/ is not in DVC: {DISCARD}",
        f"dvc add data && git add data.dvc && {COMMIT}",
    )
    # DVC would refuse what Git tracks.
    git(project, "add", "-f", "data")
    assert describe_uncommitted(project) is None


def test_what_dvc_ignores_is_no_image(project):
    (project / ".dvcignore").write_text("._*\n")
    commit(project)
    (project / "data/coat/._a.jpg").write_bytes(b"left by a file manager")
    assert describe_uncommitted(project) is None
    (project / "data/coat/b.jpg").write_bytes(b"y")
    assert read_data(project).count == 2
    assert describe_uncommitted(project) is not None


def test_images_of_an_earlier_commit_are_not_added_anew(project):
    """As after ``git pull``: to add them would undo what others have added since."""
    with FileHashes(project) as hashes:
        earlier = hashes.md5("data")
    for md5, count in ((earlier, 1), ("f" * 32 + ".dir", 2)):
        text = f"outs:\n- md5: {md5}\n  nfiles: {count}\n  size: {100 * count}\n  path: data\n"
        (project / "data.dvc").write_text(text)
        commit(project)
    assert find_uncommitted(project).has_earlier_images
    assert commit_first(project, "dvc pull") == "dvc pull"
    (project / "decisions.csv").write_text("image,label,answer,split,by,why\nabcdef0123,,keep,,,\n")
    assert commit_first(project, "dvc pull") == f"git add decisions.csv && {COMMIT} && dvc pull"
    (finding,) = run_check("data", project)
    assert finding.next == "dvc pull data.dvc"
    (project / "data/coat/b.jpg").write_bytes(b"y")
    assert not find_uncommitted(project).has_earlier_images


def test_a_decision_that_was_taken_back_here_is_not_missing(project):
    table = DecisionTable(project)
    table.decide({("a" * 64, ""): Row("a" * 64, answer="keep")})
    table.decide({("b" * 64, ""): Row("b" * 64, answer="keep")})
    commit(project)
    table.release()
    table.decide({("a" * 64, ""): None})
    assert find_uncommitted(project).missing == ""
    (project / "decisions.csv").write_text(render_rows([]))
    assert find_uncommitted(project).missing == "1 decision"
