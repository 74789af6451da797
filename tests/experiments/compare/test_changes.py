"""Changed params, stages, packages and commits."""

import copy
import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pixmill.core.params import parse_params
from pixmill.core.provenance.lock import SECTIONS, Lock, write_lock
from pixmill.experiments.compare.changes import find_changed_params, find_changes
from pixmill.experiments.compare.comparison import Change
from tests.experiments.compare.made_revisions import make_revision
from tests.version_control import git, start_repository

PARAMS = """
classes: [coat, dress]
scrape: {snapshot: '2026-11-20'}
train: {cnn: {blocks: [{filters: 8}, {filters: 16}]}}
"""

LOCK: dict[str, Any] = {
    "validate": {
        "cmd": "python -m stages.validate",
        "deps": [
            {"path": "data", "hash": "md5", "md5": "1.dir", "size": 1},
            {"path": "artifacts/scrape", "hash": "md5", "md5": "2.dir"},
            {"path": "decisions.csv", "hash": "md5", "md5": "3"},
            {"path": "src/pixmill/validate", "hash": "md5", "md5": "4.dir"},
            {"path": "stages/validate.py", "hash": "md5", "md5": "5"},
            {"path": "notes.txt", "hash": "md5", "md5": "6"},
        ],
        "params": {
            "params.yaml": {
                "classes": ["coat"],
                "validate": {"min_per_class": {"count": 30}, "groups": {}},
            }
        },
        "outs": [{"path": "artifacts/validate", "hash": "md5", "md5": "7.dir"}],
    },
    "train": {
        "cmd": "python -m stages.train",
        "deps": [{"path": "artifacts/validate", "hash": "md5", "md5": "7.dir"}],
        "outs": [{"path": "artifacts/train", "hash": "md5", "md5": "8.dir"}],
    },
}


def _changed(base: str | None, head: str | None) -> tuple[Change, ...]:
    """Return the changed params of two files."""
    return find_changed_params(make_revision(None, params=base), make_revision(None, params=head))


def _resolved(text: str, **train: Any) -> str:
    """Return the ``params.json`` of a ``params.yaml`` with an earlier version's defaults."""
    content = parse_params(text).model_dump(mode="json", by_alias=True)
    content["train"] |= train
    return json.dumps(content)


def test_changed_params() -> None:
    head = (
        PARAMS.replace("filters: 16", "filters: 32").replace("dress]", "dress, hat]")
        + "split: {salt: second}\n"
    )
    assert _changed(PARAMS, head) == (
        Change("classes", ["coat", "dress"], ["coat", "dress", "hat"]),
        Change("split.salt", "pixmill", "second"),
        Change("train.cnn.blocks.1.filters", 16, 32),
    )


def test_omitted_params_have_defaults() -> None:
    assert _changed(PARAMS, PARAMS + "split: {val: 0.15}\nevaluate: {}\n") == ()


def test_unknown_version_is_compared_without_defaults() -> None:
    old = PARAMS + "split: {val: 0.15}\nfetch: {retries: 3}\n"
    assert _changed(old, PARAMS) == (
        Change("fetch.retries", 3, None),
        Change("split.val", 0.15, None),
    )


def test_run_has_its_recorded_defaults() -> None:
    listed = PARAMS.replace("train: {", "train: {epochs: 30, ")
    default = PARAMS
    one, other = (
        make_revision(None, params=text, resolved=_resolved(text)) for text in (listed, default)
    )
    assert find_changed_params(one, other) == ()
    # Runs of earlier versions, and commits, have no such file.
    assert find_changed_params(one, make_revision(None, params=default)) == ()
    before = make_revision(None, params=default, resolved=_resolved(default, epochs=20))
    for after in (one, other, make_revision(None, params=default)):
        assert find_changed_params(before, after) == (Change("train.epochs", 20, 30),)


@pytest.mark.parametrize("text", [None, "a: [", "- 1", ""])
def test_missing_params_have_no_changes(text: str | None) -> None:
    assert _changed(text, text) == ()
    assert _changed(text, None) == _changed(None, text) == ()


def _stages(change: Callable[[dict[str, Any]], Any]) -> dict[str, tuple[str, ...]]:
    """Return the stages and reasons after a change of the lock."""
    head = copy.deepcopy(LOCK)
    change(head)
    found = find_changes(
        make_revision(None, lock=LOCK), make_revision(None, lock=head), Path("/nowhere")
    ).stages
    return {stage: tuple(reasons) for stage, reasons in found.items()}


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (0, "images in data/"),
        (1, "results of scrape"),
        (2, "decisions in decisions.csv"),
        (3, "code src/pixmill/validate"),
        (4, "code stages/validate.py"),
        (5, "file notes.txt"),
    ],
)
def test_stage_reasons(place: int, reason: str) -> None:
    assert _stages(lambda lock: lock["validate"]["deps"][place].update(md5="other")) == {
        "validate": (reason,)
    }
    assert _stages(lambda lock: lock["validate"]["deps"].pop(place)) == {"validate": (reason,)}


@pytest.mark.parametrize("why", ["the form of the decisions", "decisions in decisions.csv"])
def test_the_same_decisions_in_another_form_are_no_reason(why: str) -> None:
    head = copy.deepcopy(LOCK)
    head["validate"]["deps"][2].update(path="review.csv", md5="old")
    label = "hat" if why.startswith("the form") else "coat"
    old = b"image,decision,label,by,why\n01234567,relabel,hat,,\n"
    new = f"image,label,answer,split,by,why\n01234567,,keep,,,\n01234567,{label},yes,,,\n"
    found = find_changes(
        make_revision(None, lock=head, read={"review.csv": old}.get),
        make_revision(None, lock=LOCK, read={"decisions.csv": new.encode()}.get),
        Path("/nowhere"),
    )
    assert found.stages == {"validate": [why]}


def test_stages_are_in_pipeline_order() -> None:
    def change(lock: dict[str, Any]) -> None:
        lock["validate"]["outs"][0]["md5"] = lock["train"]["deps"][0]["md5"] = "other"
        lock["train"]["outs"][0]["md5"] = "other"
        lock["export"] = {"cmd": "x"}

    assert list(_stages(change).items()) == [
        ("validate", ("other results from the same inputs",)),
        ("train", ("results of validate",)),
        ("export", ("new stage",)),
    ]
    assert _stages(lambda lock: lock.pop("train")) == {"train": ("stage removed",)}
    assert _stages(dict.copy) == {}


def test_changed_packages() -> None:
    before = b"""# comment==1
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:00
numpy==2.5.5 ; python_full_version >= '3.12' \\
    --hash=sha256:01
Ruamel_YAML[all]==1.0
same==1
gone==3
"""
    after = b"""numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:02
numpy==2.6.0 ; python_full_version >= '3.12'
ruamel.yaml == 1.1
Same==1
new==4.0.post1
"""
    base, head = (
        make_revision(None, read={"requirements.txt": content}.get) for content in (before, after)
    )
    assert find_changes(base, head, Path("/nowhere")).packages == (
        Change("gone", "3", None),
        Change("new", None, "4.0.post1"),
        Change("numpy", "2.4.6, 2.5.5", "2.4.6, 2.6.0"),
        Change("ruamel-yaml", "1.0", "1.1"),
    )
    assert find_changes(base, make_revision(None), Path("/nowhere")).packages == ()


def test_version_of_pixmill_lock(tmp_path: Path) -> None:
    revisions = []
    for version, digest, pins in (("0.1.0", "a", None), ("0.2.0", "b", b"numpy==2.0")):
        digests = dict.fromkeys(SECTIONS, "same") | {"train": digest}
        write_lock(tmp_path, Lock(version, digests))
        lock = copy.deepcopy(LOCK)
        lock["train"]["params"] = {
            "pixmill.lock": {"train": digest},
            "ours.yaml": {"limit": version},
        }
        files = {"pixmill.lock": (tmp_path / "pixmill.lock").read_bytes(), "requirements.txt": pins}
        revisions.append(make_revision(None, lock=lock, read=files.get))
    found = find_changes(*revisions, Path("/nowhere"))
    assert found.stages == {
        "train": ["code of train (pixmill 0.1.0 → 0.2.0)", "param limit in ours.yaml"]
    }
    assert found.packages == (Change("pixmill", "0.1.0", "0.2.0"),)
    # A malformed lock has no versions.
    found = find_changes(
        revisions[0], replace(revisions[1], read=lambda _: b"<<<<<<< HEAD"), Path("/nowhere")
    )
    assert found.packages == ()
    assert found.stages["train"][0] == "code of train"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Return a repository with 53 commits, and their hashes."""
    root = start_repository(tmp_path_factory.mktemp("repository"))
    subjects = [
        "First",
        *(f"Change {number}" for number in range(50)),
        "<b>|\t`x`</b> \N{SNOWMAN}",
        "\x1b[31mred\u202e",
    ]
    stream = "".join(
        f"commit refs/heads/trunk\ncommitter A <a@example.org> {1_700_000_000 + place} +0000\n"
        f"data {len(subject.encode())}\n{subject}\n"
        for place, subject in enumerate(subjects)
    )
    subprocess.run(["git", "fast-import", "--quiet"], cwd=root, input=stream.encode(), check=True)
    return root, git(root, "rev-list", "--reverse", "trunk").split()


def _commits(root: Path, base: str | None, head: str | None) -> list[tuple[str, str]]:
    return list(
        find_changes(
            make_revision(None, commit=base), make_revision(None, commit=head), root
        ).commits
    )


def test_commits_newest_first(repository: tuple[Path, list[str]]) -> None:
    root, hashes = repository
    (red, bold, last) = _commits(root, hashes[-4], hashes[-1])
    assert [
        hashes[place].startswith(red_)
        for place, (red_, _) in zip((-1, -2, -3), (red, bold, last), strict=True)
    ]
    assert red[1] == "\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}", (
        "no control characters"
    )
    assert bold[1] == "<b>|\N{REPLACEMENT CHARACTER}`x`</b> \N{SNOWMAN}"
    assert last[1] == "Change 49"
    assert len(_commits(root, hashes[0], hashes[-1])) == 50
    assert _commits(root, hashes[-1], hashes[0]) == _commits(root, hashes[0], hashes[0]) == []


@pytest.mark.parametrize("commit", [None, "0" * 40, "--output=stolen", "trunk --all", "\0"])
def test_unknown_commit_has_no_commits(
    repository: tuple[Path, list[str]], commit: str | None
) -> None:
    root, hashes = repository
    assert _commits(root, commit, hashes[-1]) == _commits(root, hashes[0], commit) == []
    assert not list(root.glob("stolen*"))
