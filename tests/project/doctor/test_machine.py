import sys
from collections import namedtuple
from importlib import metadata
from pathlib import Path

import pytest

from pixmill.core.install.origin import install_command
from pixmill.core.provenance.lock import SECTIONS, Lock, write_lock
from pixmill.project.doctor import Status
from pixmill.project.doctor.machine import check_disk, check_git, check_packages, check_python


def test_the_python_of_dvc_is_this_one(monkeypatch):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert [finding.status for finding in check_python(Path())] == [Status.OK, Status.OK]


def test_another_python_on_path_is_a_warning(tmp_path, monkeypatch):
    other = tmp_path / "python"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    _, path = check_python(Path())
    assert (path.status, path.message) == (Status.WARNING, f"dvc would run {other}, not {sys.executable}")
    assert path.next == f'export PATH="{Path(sys.executable).parent}:$PATH"'


def test_git_that_does_not_know_who_commits_is_a_warning(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    (tmp_path / "config").write_text("[user]\n\tuseConfigOnly = true\n")
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    (unknown,) = check_git(tmp_path)
    assert unknown.status is Status.WARNING
    assert unknown.next.startswith("git config --global user.name ")
    (tmp_path / "config").write_text("[user]\n\tname = A\n\temail = a@example.org\n")
    (known,) = check_git(tmp_path)
    assert known.status is Status.OK


def test_without_a_list_of_its_own_a_project_needs_what_a_run_needs(tmp_path):
    (finding,) = check_packages(tmp_path)
    assert (finding.status, finding.message) == (Status.OK, "all that Pixmill needs")


def test_the_extras_of_a_project_are_needed(tmp_path, monkeypatch):
    write_lock(tmp_path, Lock("0.1.0", dict.fromkeys(SECTIONS, "0" * 16), {}, extras="serve"))
    installed = metadata.version

    def version_of(name):
        if name in ("tensorflow", "fastapi"):
            raise metadata.PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr("pixmill.project.doctor.machine.metadata.version", version_of)
    (finding,) = check_packages(tmp_path)
    assert (finding.status, finding.message) == (Status.BAD, "missing: fastapi")
    assert finding.next == install_command("serve"), "what runs lacks it, so it is added from where that came"
    (tmp_path / "requirements.txt").touch()
    assert next(check_packages(tmp_path)).next == "pip install -r requirements.txt"


@pytest.mark.parametrize(("free", "state"), [(0, Status.BAD), (0.3, Status.WARNING), (50, Status.OK)])
def test_a_disk_that_is_nearly_full_is_told(tmp_path, monkeypatch, free, state):
    usage = namedtuple("usage", "total used free")(0, 0, int(free * 2**30))
    monkeypatch.setattr("pixmill.project.doctor.machine.shutil.disk_usage", lambda _: usage)
    (finding,) = check_disk(tmp_path)
    assert (finding.status, bool(finding.next)) == (state, state is not Status.OK)
    assert f"{free:.1f} GiB free" in finding.message
