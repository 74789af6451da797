"""data/ is added to DVC once, when DVC is free."""

import subprocess
import sys
import time

import pytest

from pixmill.core.errors import DataError
from pixmill.core.repository.dvc import RunningDvc, cache_folder, is_cached, running_dvc
from pixmill.core.repository.dvc import dvc as run_dvc
from tests.version_control import dvc, hold, living_dvc


@pytest.fixture
def project(tmp_path):
    dvc(tmp_path, "init", "--no-scm", "-q")
    (tmp_path / "data/coat").mkdir(parents=True)
    (tmp_path / "data/coat/a.jpg").write_bytes(b"x")
    return tmp_path


@pytest.mark.slow
def test_a_stage_that_reads_the_images_is_known(project):
    stage = "stages:\n  look:\n    cmd: touch started && sleep 2\n    deps: [data]\n"
    (project / "dvc.yaml").write_text(stage)
    with subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro"], cwd=project, stdout=subprocess.DEVNULL
    ) as running:
        while not (project / "started").exists():
            assert running.poll() is None
            time.sleep(0.02)
        (command,) = running_dvc(project)
        assert (command.pid, command.reads, command.writes) == (running.pid, ("data",), ())
        assert command.command.endswith("repro")
        assert running.wait(60) == 0
    run_dvc(project, "add", "data")
    assert "nfiles: 1" in (project / "data.dvc").read_text()
    cache = cache_folder(project)
    assert is_cached(cache, "9dd4e461268c8034f5c8564e155c67a6")
    assert not is_cached(cache, "0" * 32 + ".dir")


@pytest.mark.linux
def test_what_dvc_says_need_be_no_text(tmp_path, monkeypatch):
    failing = tmp_path / "failing"
    failing.write_text("#!/bin/sh\nprintf 'no such file: caf\\351' >&2\nexit 1\n")
    failing.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(failing))
    with pytest.raises(DataError, match="`dvc add data` failed: no such file: caf\ufffd"):
        run_dvc(tmp_path, "add", "data", quiet=True)


def test_only_living_dvc_commands_hold_files(tmp_path):
    assert running_dvc(tmp_path) == []
    with living_dvc() as pid:
        hold(
            tmp_path,
            "write",
            ("artifacts/train", pid),
            ("reports/train.html", pid),
            ("x", 2**22 - 1),
        )
        found = RunningDvc(pid, "dvc repro", ("artifacts/train", "reports/train.html"), ())
        assert running_dvc(tmp_path) == [found]
    assert running_dvc(tmp_path) == []
    # Its number may have gone to a process that is no DVC.
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        hold(tmp_path, "read", ("data", other.pid))
        assert running_dvc(tmp_path) == []
        other.kill()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"write": []}', '{"write": {"/x": 5}, "read": {"/y": [{}]}}']
)
def test_a_lock_that_cannot_be_read_holds_nothing(tmp_path, text):
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    (tmp_path / ".dvc/tmp/rwlock").write_text(text)
    assert running_dvc(tmp_path) == []
