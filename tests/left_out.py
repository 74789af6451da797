"""Deselect tests that a machine cannot run, and print why."""

from collections.abc import Callable

import pytest


def leave_out(
    config: pytest.Config, items: list[pytest.Item], which: Callable[[pytest.Item], bool], why: str
) -> None:
    """Remove tests from ``items``, and print a line; a worker passes it to the main process."""
    left_out = [item for item in items if which(item)]
    if not left_out:
        return
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
    line = f"{len(left_out)} tests deselected: {why}"
    if hasattr(config, "workeroutput"):
        config.workeroutput.setdefault("left_out", []).append(line)
    else:
        print(f"\n{line}")  # noqa: T201
