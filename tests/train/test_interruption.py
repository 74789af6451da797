"""Signals wait for the end of a step; the second one does not wait."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from pixmill.train.interruption import Interrupted, Interruption


@pytest.mark.parametrize(("kind", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_is_told_when_it_is_asked_for(kind, status):
    before = signal.getsignal(kind)
    with Interruption() as interruption:
        interruption.check(1)
        os.kill(os.getpid(), kind)
        with pytest.raises(Interrupted) as caught:
            interruption.check(7)
    assert (caught.value.status, caught.value.epoch) == (status, 7)
    assert isinstance(caught.value, KeyboardInterrupt)
    assert signal.getsignal(kind) == before


def test_the_second_one_acts_at_once():
    with Interruption(), pytest.raises(KeyboardInterrupt) as caught:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
    assert not isinstance(caught.value, Interrupted)


def test_what_the_process_ignores_stays_ignored():
    script = (
        "import os, signal; from pixmill.train.interruption import Interruption\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "with Interruption() as one: os.kill(os.getpid(), signal.SIGINT); one.check(1); print('on')"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "on\n"


def test_another_thread_than_the_main_one_trains_without_it():
    errors = []

    def work():
        try:
            with Interruption() as interruption:
                interruption.check(1)
        except ValueError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert errors == []


def test_of_several_processes_none_is_held_back(monkeypatch):
    """One that waits within TensorFlow for another, which is dead, is never asked again."""
    monkeypatch.setenv("PIXMILL_STRATEGY", "multi_worker")
    with Interruption(), pytest.raises(KeyboardInterrupt) as caught:
        os.kill(os.getpid(), signal.SIGINT)
    assert not isinstance(caught.value, Interrupted)
