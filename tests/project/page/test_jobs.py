"""A job runs once, is followed, and is stopped like by Ctrl-C; it outlives the page."""

import os
import signal
import sys

import pytest

from pixmill.core.errors import LockedError, PixmillError
from pixmill.project.page.jobs import Job
from tests.version_control import hold, living_dvc
from tests.waiting import until

_PATIENT = "import time; print('begun', flush=True); time.sleep(60)"

_CHILD = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    print("begun", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("stopped")
"""

_PARENT = """
import signal, subprocess, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as DVC does while a stage runs
subprocess.run([sys.executable, "-c", sys.argv[1]])
"""


def repro(root, *code, **options):
    return Job(root, "dvc repro", [sys.executable, "-c", *code], **options)


def ended(job):
    return until(lambda: not (document := job.document())["running"] and document)


def test_output_and_status(tmp_path):
    job = repro(tmp_path, "import sys; print('one'); sys.exit('two')")
    assert job.document() == {"running": False, "status": None, "stopped": False, "log": ""}
    job.start()
    document = ended(job)
    assert (document["status"], document["stopped"], {*document["log"].split()}) == (
        1,
        False,
        {"one", "two"},
    )


def test_stop_interrupts_the_process_group(tmp_path):
    job = repro(tmp_path, _PARENT, _CHILD)
    job.start()
    until(lambda: "begun" in job.document()["log"])
    assert os.getsid(job.pid) == job.pid
    job.stop()
    document = ended(job)
    assert (document["stopped"], "stopped" in document["log"]) == (True, True)
    with pytest.raises(PixmillError, match="no run was started"):
        job.stop()


def test_the_next_page_stops_the_run_of_a_killed_one(tmp_path):
    job = repro(tmp_path, _PARENT, _CHILD)
    job.start()
    until(lambda: "begun" in job.document()["log"])
    again = repro(tmp_path, _CHILD)
    assert again.document()["running"]
    again.stop()
    ended(job)
    assert ended(again)["stopped"]
    assert not repro(tmp_path).document()["running"]


def test_stop_terminates_after_patience(tmp_path):
    job = repro(
        tmp_path,
        f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); {_PATIENT}",
        patience=0.3,
    )
    job.start()
    until(lambda: "begun" in job.document()["log"])
    job.stop()
    assert ended(job)["status"] == -signal.SIGTERM


def test_rejects_a_second_run_but_not_a_comparison(tmp_path):
    with living_dvc() as pid:
        hold(tmp_path, "write", ("artifacts", pid))
        with pytest.raises(LockedError):
            repro(tmp_path, _PATIENT).start()
        comparison = Job(tmp_path, "pixmill compare", [sys.executable, "-c", "print('No change.')"])
        comparison.start()
    assert (document := ended(comparison))["status"] == 0
    assert document["log"] == "No change.\n"


def test_the_log_is_closed_to_other_accounts_and_no_link(tmp_path):
    log = tmp_path / ".pixmill/open/repro.log"
    log.parent.mkdir(parents=True)
    log.symlink_to(tmp_path / "profile")
    (tmp_path / "profile").write_text("kept")
    job = repro(tmp_path, "print('key')")
    job.start()
    ended(job)
    assert (log.read_text(), (tmp_path / "profile").read_text()) == ("key\n", "kept")
    assert log.lstat().st_mode == 0o100600
