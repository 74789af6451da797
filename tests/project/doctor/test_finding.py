import shutil
import time

import pytest

from pixmill.project.doctor import Finding, Status, examine, render


@pytest.fixture
def project(repository, tmp_path):
    for name in ("params.yaml", "requirements.txt"):
        shutil.copy(repository / name, tmp_path)
    (tmp_path / ".dvc").mkdir()
    return tmp_path


def test_findings_are_lines_with_the_command_that_fixes_them():
    findings = [
        Finding("disk", Status.OK, "40 GiB free"),
        Finding("browser", Status.BAD, "there is none", next="get one"),
    ]
    assert render(findings) == (
        "ok   disk     40 GiB free\n"
        "bad  browser  there is none\n"
        "              Next: get one"
    )  # fmt: skip


def test_all_that_a_run_needs_is_looked_at_in_bounded_time(project):
    started = time.monotonic()
    findings = examine(project)
    assert time.monotonic() - started < 60
    assert {finding.name for finding in findings} >= {
        "Python",
        "PATH",
        "packages",
        "params",
        "data",
        "DVC remote",
        "disk",
        "browser",
        "MLflow",
    }


def test_each_finding_that_is_not_ok_names_the_fix(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("PIXMILL_BROWSER", "/nowhere/x")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    amiss = [finding for finding in examine(tmp_path) if finding.status is not Status.OK]
    assert {finding.name for finding in amiss} >= {"PATH", "params", "data", "DVC", "browser", "MLflow"}
    assert all(finding.next for finding in amiss)


def test_nothing_is_changed(project):
    before = sorted(project.rglob("*"))
    examine(project)
    assert sorted(project.rglob("*")) == before
