"""The command ``pixmill`` in a process that is killed, or waits for others, at a given step.

    python -m tests.experiments.promotion.command STEP -- promote better

STEP is ``METHOD:NUMBER:before`` or ``…:after``, which kills the process at that call of a method of
the registry, or ``together:FOLDER:NUMBER``, which registers once that number of processes is ready.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pixmill.cli import main
from pixmill.tracking.model_versions import Registry


def kill_at(method: str, number: int, when: str) -> None:
    """Kill this process before or after a call of a method of the registry."""
    true: Callable[..., Any] = getattr(Registry, method)
    calls = 0

    def called(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = true(*arguments, **options)
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(Registry, method, called)


def wait_for(folder: Path, number: int) -> None:
    """Delay registering until this number of processes is ready."""
    true = Registry.register

    def called(*arguments: Any, **options: Any) -> int:
        (folder / str(os.getpid())).touch()
        while len(list(folder.iterdir())) < number:
            time.sleep(0.02)
        return true(*arguments, **options)

    Registry.register = called  # type: ignore[method-assign]


if __name__ == "__main__":
    step, _, *words = sys.argv[1:]
    if step.startswith("together:"):
        _, place, number = step.split(":")
        wait_for(Path(place), int(number))
    else:
        method, number, when = step.split(":")
        kill_at(method, int(number), when)
    main(words)
