"""Passes for tests, in a module with few imports because each worker imports it."""

import ctypes
import os
import re
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Row = tuple[str, int]


def act(batch: Sequence[Row]) -> list[Row]:
    """Perform the action that each row names, and return twice its number."""
    return [_act(*row) for row in batch]


def _act(name: str, number: int) -> Row:
    match name:
        case "loop":
            while True:
                pass
        case "sleep":
            time.sleep(600)
        case "hang in C":
            re.match(r"(a+)+$", "a" * 60 + "b")
        case "segfault":
            ctypes.string_at(0)
        case "exit":
            os._exit(3)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hog":
            return name, len([bytes(1 << 20) for _ in range(1 << 12)])
        case "glutton":
            return name, len(bytearray(1 << 40))
        case "disguised":
            try:
                bytearray(1 << 40)
            except MemoryError:
                raise ValueError("the file is broken") from None
        case "too large to send":
            # Fits into the memory limit once, but not twice, when it is pickled.
            return "x" * (40 << 20), number
    return "", 2 * number


def identity(batch: Sequence[Any]) -> list[Any]:
    return list(batch)


def doubled(batch: Sequence[int]) -> list[int]:
    return [2 * row for row in batch]


def processes(batch: Sequence[Any]) -> list[int]:
    return [os.getpid()] * len(batch)


def sizes(batch: Sequence[Any]) -> list[int]:
    return [len(batch)] * len(batch)


def short(batch: Sequence[int]) -> list[int]:
    return list(batch[1:])


def dying(batch: Sequence[int]) -> list[int]:
    os.kill(os.getpid(), signal.SIGKILL)
    return list(batch)


def failing(batch: Sequence[int]) -> list[int]:
    """Raise at 5."""
    for row in batch:
        if row == 5:
            raise KeyError(f"no row {row}")
    return list(batch)


class Stubborn(Exception):  # noqa: N818
    """An exception that cannot be unpickled."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(one + two)


def stubborn(batch: Sequence[int]) -> list[int]:
    raise Stubborn("cannot ", "travel")


def at_first(batch: Sequence[tuple[str, str]]) -> list[str]:
    """Perform each row's action the first time only, and log each call in the row's file."""
    for name, path in batch:
        first = not Path(path).exists()
        with Path(path).open("a") as log:
            log.write(".")
        if first:
            _act(name, 0)
    return [name for name, _ in batch]


KEPT: list[bytearray] = []


def keeping(batch: Sequence[int]) -> list[int]:
    """Allocate this many bytes permanently."""
    KEPT.extend(bytearray(row) for row in batch)
    return list(batch)


def when_there(batch: Sequence[str]) -> list[str]:
    """Return once the row's file exists."""
    for row in batch:
        while not Path(row).exists():
            time.sleep(0.01)
    return list(batch)
