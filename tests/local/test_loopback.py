"""Ctrl-C ends ``wait_for_interrupt``."""

import subprocess
import sys

import pytest

ELSEWHERE = """
import signal, threading, time
from pixmill.local.loopback import wait_for_interrupt

def deliver():
    time.sleep(0.2)
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)

threading.Thread(target=deliver).start()
try:
    wait_for_interrupt()
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.linux
def test_ctrl_c_is_handled_if_delivered_to_another_thread():
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "interrupted\n", done.stderr
