"""Look at a project's state again and again, in a thread, while somebody wants to know it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from pixmill.home.project_state import ProjectState, read_project_state
from pixmill.home.state_json import state_document

_SOON = 1.0
"""Seconds between two looks while a tab shows the page."""

_UNASKED_SECONDS = 5.0
"""Seconds after which nobody looks any more, if nobody has asked for the state; the first who asks starts it again."""

_GLANCE_SECONDS = 0.2
"""Seconds between two looks at the times of the files below: once one was written, the state is read."""

_TELLING = (".dvc/tmp/rwlock", ".pixmill/progress", "dvc.lock", "params.yaml", "review.csv", ".git/HEAD", ".git/index")
"""Files that most changes write; the others are found by the next look at all."""

_WHOLE_SECONDS = 120.0
"""Seconds after which the disk is measured again, and MLflow asked."""

_RESULTS = (".git/HEAD", ".git/logs/HEAD", "dvc.lock", "mlflow.db")
"""What a commit, a run or a promotion writes, after which the disk is measured again, and MLflow asked."""


class Watch:
    """Know the state while the ``with`` block lasts.

    Args:
        root: The project's folder.
        read: Reads the state; for tests.
        soon: Seconds between two looks.

    Attributes:
        fault: Why the last look failed; ``None`` if it did not.
    """

    def __init__(self, root: Path, read: Callable[..., ProjectState] = read_project_state, soon: float = _SOON) -> None:
        self._root, self._read, self._soon = root, read, soon
        self.fault: str | None = None
        self._state: ProjectState | None = None
        self._document: dict[str, Any] | None = None
        self._whole_at, self._asked = 0.0, time.monotonic()
        self._whole_marks: tuple[int, ...] = ()
        self._wake, self._is_ended = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="watch-project", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_ended = True
        self._wake.set()
        self._thread.join(5)

    @property
    def document(self) -> dict[str, Any] | None:
        """The state as :func:`pixmill.home.state_json.state_document` has it; ``None`` before the first look."""
        self._asked = time.monotonic()
        return self._document

    def look_soon(self) -> None:
        """Look without waiting, since something was done."""
        self._wake.set()

    def _run(self) -> None:
        while not self._is_ended:
            begun, marks = time.monotonic(), self._marks(_TELLING)
            self._wake.clear()
            try:
                self._look()
                self.fault = None
            except Exception as error:  # noqa: BLE001 (the page shows it, and the next look may succeed)
                self.fault = str(error) or type(error).__name__
            ended = time.monotonic()
            # In a large project on a slow disk, looks take half of the time at most, whatever changes.
            self._wake.wait(ended - begun)
            while not self._wake.wait(min(_GLANCE_SECONDS, self._soon)):
                if time.monotonic() - self._asked > _UNASKED_SECONDS:
                    continue
                if time.monotonic() >= ended + self._soon or marks != self._marks(_TELLING):
                    break

    def _look(self) -> None:
        """Read the state."""
        if self._state is None:
            # What may take seconds comes by a second look.
            state = self._read(self._root, with_disk=False, with_champion=False)
            state = replace(state, has_store=False)  # "No model is in production" would be a guess.
        else:
            marks = self._marks(_RESULTS)
            is_whole = time.monotonic() - self._whole_at >= _WHOLE_SECONDS or marks != self._whole_marks
            state = self._read(self._root, with_disk=is_whole, with_champion=is_whole)
            if is_whole:
                self._whole_at, self._whole_marks = time.monotonic(), marks
            else:
                state = self._with_known(state)
        self._state, self._document = state, state_document(state)

    def _with_known(self, state: ProjectState) -> ProjectState:
        """Return a state with what was not looked at as it was."""
        assert self._state is not None
        fault = {name: text for name, text in self._state.faults.items() if name == "model in production"}
        return replace(
            state,
            disk=self._state.disk,
            champion=self._state.champion,
            is_promoted=self._state.is_promoted,
            has_store=self._state.has_store,
            faults={**state.faults, **fault},
        )

    def _marks(self, names: tuple[str, ...]) -> tuple[int, ...]:
        """Return when files were written; 0 where there is none."""
        return tuple(_written(self._root / name) for name in names)


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
