"""Malformed heads are reported, and are not mistaken for a failed gate."""

import json
import shutil

import pytest

from tests.command import run_pixmill
from tests.experiments.compare.heads import METRICS, PREDICTIONS, begin, commit_head
from tests.experiments.compare.projects import write
from tests.version_control import git


def metrics(accuracy=0.75):
    return json.dumps(
        {
            "n": 8,
            "accuracy": accuracy,
            "accuracy_low": accuracy - 0.1,
            "accuracy_high": accuracy + 0.1,
        }
    )


@pytest.fixture(scope="module")
def changed(history, tmp_path_factory):
    """A project on ``main`` to which heads are added."""
    root = shutil.copytree(history, tmp_path_factory.mktemp("changed") / "project", symlinks=True)
    begin(root)
    return root


@pytest.fixture
def compare(changed, monkeypatch, capsys):
    """Compare ``main`` with a head of these files; return the exit code and the output."""
    monkeypatch.chdir(changed)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def run(files):
        commit_head(changed, "head", files)
        code = run_pixmill("compare", "main", "head", "--gate")
        return code, *capsys.readouterr()

    return run


@pytest.mark.parametrize(
    "files",
    [
        {"params.yaml": "- 1\n", METRICS: metrics(float("nan")), PREDICTIONS: b"\0" * 99},
        {"dvc.lock": 'stages: {a: {outs: [{path: artifacts/a, md5: "../../../etc/passwd"}]}}'},
        {"dvc.lock": 'stages: {"\\e[2J\\n\\e]0;x\\a": 1}'},
    ],
)
def test_malformed_head_exits_2(compare, files):
    code, out, err = compare(files)
    assert code == 2
    assert "\nMissing\n" in out
    assert [path for path in files if f"malformed: {path} of head " not in err] == []
    assert "Traceback" not in err
    assert "\x1b" not in out + err


def test_failed_gate_outranks_malformed_file(compare):
    assert compare({METRICS: metrics(accuracy=0.1), "params.yaml": "[]"})[0] == 1


def test_malformed_base_does_not_fail_the_head(changed, compare, capsys):
    commit_head(changed, "broken", {METRICS: "[1]"})
    assert run_pixmill("compare", "broken", "main", "--gate") == 0
    assert f"{METRICS} of broken is malformed" in capsys.readouterr().out


def test_malformed_workspace_exits_2(changed, compare, capsys):
    write(changed / METRICS, "[1]")
    assert run_pixmill("compare", "main", "--gate") == 2
    git(changed, "checkout", "-q", "-f", "main")
    assert f"{METRICS} of workspace is malformed" in capsys.readouterr().out
