"""A run of the pipeline is started once, found again, and stopped as Ctrl-C does."""

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from pixmill.core.errors import LockedError, PixmillError
from pixmill.home import jobs
from pixmill.home.jobs import Comparison, Pipeline, let_children_hear_interrupts
from tests.version_control import hold, living_dvc
from tests.waiting import until

_PATIENT = "import time; print('begun', flush=True); time.sleep(60)"


def python(code):
    return [sys.executable, "-c", code]


def begun(pipeline):
    until(lambda: "begun" in pipeline.log.read_text())


def test_a_run_writes_what_it_says_into_the_log_and_tells_how_it_ended(tmp_path):
    pipeline = Pipeline(tmp_path, python("import sys; print('one'); sys.exit('two')"))
    assert pipeline.latest() is None
    pipeline.start()
    until(lambda: pipeline.exit_status() is not None)
    assert pipeline.exit_status() == 1
    assert not pipeline.is_stopped
    assert {*pipeline.log.read_text().split()} == {"one", "two"}
    assert pipeline.running() is None


def test_a_run_leads_a_session_of_its_own_and_is_found_by_the_next_server(tmp_path):
    pipeline = Pipeline(tmp_path, python(_PATIENT))
    run = pipeline.start()
    try:
        assert os.getsid(run.pid) == run.pid
        begun(pipeline)
        other = Pipeline(tmp_path)
        assert other.running() == run
        with pytest.raises(LockedError, match="runs already"):
            other.start()
        other.stop()
        until(lambda: pipeline.exit_status() is not None)
        assert other.running() is None
    finally:
        pipeline._child.kill()


def test_a_comparison_ends_beside_a_run_and_without_an_error(tmp_path):
    comparison = Comparison(tmp_path, python("print('No change.')"))
    with living_dvc() as pid:
        hold(tmp_path, "write", ("artifacts", pid))
        comparison.start()
    until(lambda: comparison.document() == {"running": False, "done": True, "error": ""})


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


def test_stop_sends_what_ctrl_c_does_to_all_processes_of_the_run(tmp_path):
    pipeline = Pipeline(tmp_path, [*python(_PARENT), _CHILD])
    pipeline.start()
    begun(pipeline)
    pipeline.stop()
    until(lambda: pipeline.exit_status() is not None)
    assert "stopped" in pipeline.log.read_text()
    assert pipeline.is_stopped


def test_stop_is_heard_where_the_page_was_started_by_a_shells_ampersand(tmp_path):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        let_children_hear_interrupts()
        os.kill(os.getpid(), signal.SIGINT)  # ignored here all the same
        pipeline = Pipeline(tmp_path, python(_PATIENT))
        pipeline.start()
    finally:
        signal.signal(signal.SIGINT, before)
    begun(pipeline)
    pipeline.stop()
    until(lambda: pipeline.exit_status() is not None)
    assert pipeline.exit_status() == -signal.SIGINT


def test_a_run_that_ignores_it_gets_sigterm(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "_TERMINATE_SECONDS", 0.3)
    pipeline = Pipeline(tmp_path, python(f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); {_PATIENT}"))
    pipeline.start()
    begun(pipeline)
    pipeline.stop()
    until(lambda: pipeline.exit_status() is not None)
    assert pipeline.exit_status() == -signal.SIGTERM


def test_without_a_run_there_is_nothing_to_stop(tmp_path):
    with pytest.raises(PixmillError, match="no run is under way"):
        Pipeline(tmp_path).stop()


@pytest.mark.parametrize("text", ["", "[]", '{"pid": 1}', '{"pid": 1, "started": 5.0}'])
def test_a_damaged_record_and_that_of_another_process_are_no_run(tmp_path, text):
    (tmp_path / ".pixmill" / "open").mkdir(parents=True)
    (tmp_path / ".pixmill" / "open" / "repro.json").write_text(text)
    pipeline = Pipeline(tmp_path)
    assert pipeline.running() is None
    with pytest.raises(PixmillError):
        pipeline.stop()


def test_a_run_in_a_terminal_is_not_doubled(tmp_path):
    with living_dvc() as pid:
        hold(tmp_path, "write", ("artifacts", pid))
        with pytest.raises(LockedError):
            Pipeline(tmp_path, python(_PATIENT)).start()


def test_two_pages_that_start_it_at_once_start_one_run(tmp_path):
    pages = [Pipeline(tmp_path, python(_PATIENT)) for _ in range(8)]

    def start(page):
        try:
            return page.start()
        except LockedError:
            return None

    with ThreadPoolExecutor(8) as pool:
        runs = [run for run in pool.map(start, pages) if run]
    assert len(runs) == 1
    pages[0].stop()
    until(lambda: any(page.exit_status() is not None for page in pages))
    assert pages[0].running() is None


@pytest.mark.parametrize("name", ["repro.log", "repro.json"])
def test_where_the_disk_takes_no_file_nothing_runs(tmp_path, name):
    (tmp_path / ".pixmill/open" / name / "in the way").mkdir(parents=True)
    code = "import time; time.sleep(61)"
    with pytest.raises(PixmillError, match="cannot be started"):
        Pipeline(tmp_path, python(code)).start()
    living = [each for each in psutil.Process().children() if each.status() != psutil.STATUS_ZOMBIE]
    assert not any(code in each.cmdline() for each in living)
