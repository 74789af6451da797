"""A run is started once, followed, and stopped as Ctrl-C does; it outlives the page."""

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

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
    return until(lambda: not (told := job.document())["running"] and told)


def test_a_run_tells_its_output_and_how_it_ended(tmp_path):
    job = repro(tmp_path, "import sys; print('one'); sys.exit('two')")
    assert job.document() == {"running": False, "status": None, "stopped": False, "log": ""}
    job.start()
    told = ended(job)
    assert (told["status"], told["stopped"], {*told["log"].split()}) == (1, False, {"one", "two"})


def test_stop_sends_what_ctrl_c_does_to_all_processes_of_the_run(tmp_path):
    job = repro(tmp_path, _PARENT, _CHILD)
    job.start()
    until(lambda: "begun" in job.document()["log"])
    assert os.getsid(job.pid) == job.pid
    job.stop()
    told = ended(job)
    assert (told["stopped"], "stopped" in told["log"]) == (True, True)
    with pytest.raises(PixmillError, match="no run is under way"):
        job.stop()


def test_a_run_that_ignores_it_gets_sigterm(tmp_path):
    job = repro(tmp_path, f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); {_PATIENT}", patience=0.3)
    job.start()
    until(lambda: "begun" in job.document()["log"])
    job.stop()
    assert ended(job)["status"] == -signal.SIGTERM


def test_a_run_in_a_terminal_is_not_doubled_and_a_comparison_goes_beside_it(tmp_path):
    with living_dvc() as pid:
        hold(tmp_path, "write", ("artifacts", pid))
        with pytest.raises(LockedError):
            repro(tmp_path, _PATIENT).start()
        comparison = Job(tmp_path, "pixmill compare", [sys.executable, "-c", "print('No change.')"])
        comparison.start()
    assert (told := ended(comparison))["status"] == 0
    assert told["log"] == "No change.\n"


def test_who_presses_twice_starts_one_run(tmp_path):
    job = repro(tmp_path, _PATIENT)

    def start(_):
        try:
            job.start()
        except LockedError:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(start, range(8))) == 1
    job.stop()
    ended(job)


def test_where_the_disk_takes_no_file_nothing_runs(tmp_path):
    (tmp_path / ".pixmill/open/repro.log/in the way").mkdir(parents=True)
    job = repro(tmp_path, _PATIENT)
    with pytest.raises(PixmillError, match="cannot be started"):
        job.start()
    assert job.pid is None
