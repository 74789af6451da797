"""Look at a project's state again and again, in a thread, and tell whether it has changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from pixmill.core.workspace import Workspace
from pixmill.home.project_state import ProjectState, read_project_state
from pixmill.home.state_json import state_document
from pixmill.record.store import database_file, tracking_uri

_SOON, _LATE = 1.0, 3.0
"""Seconds between two looks while something changes, and after a minute in which nothing did."""

_CALM = 60.0

_SHARE = 4.0
"""A look may take one part in so many of the time: in a large project on a slow disk, looks are rarer."""

_WHOLE_SECONDS = 120.0
"""How often the disk is measured and a server of MLflow is asked."""


class Watch:
    """Know the state while the ``with`` block lasts.

    Args:
        root: The project's folder.
        read: Reads the state; for tests.
        soon: Seconds between two looks while something changes.

    Attributes:
        version: A number that grows with each change.
    """

    def __init__(self, root: Path, read: Callable[..., ProjectState] = read_project_state, soon: float = _SOON) -> None:
        self._root, self._read, self._soon = root, read, soon
        self.version = 0
        self._state: ProjectState | None = None
        self._document: dict[str, Any] | None = None
        self._whole_at = 0.0
        self._marks: tuple[float, ...] = ()
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
        return self._document

    def look_soon(self) -> None:
        """Look without waiting, since something was done."""
        self._wake.set()

    def _run(self) -> None:
        changed = time.monotonic()
        while not self._is_ended:
            begun = time.monotonic()
            self._wake.clear()
            if self._look():
                changed = time.monotonic()
            pause = self._soon if time.monotonic() - changed < _CALM else max(_LATE, self._soon)
            self._wake.wait(max(pause, (_SHARE - 1) * (time.monotonic() - begun)))

    def _look(self) -> bool:
        """Read the state, and tell whether it has changed."""
        if self._state is None:
            # What may take seconds comes by a second look.
            state = self._read(self._root, with_disk=False, with_champion=self._has_database())
            if not self._has_database():
                state = replace(state, has_store=False)  # "No model is in production" would be a guess.
        else:
            marks = self._commit_marks()
            is_whole = time.monotonic() - self._whole_at >= _WHOLE_SECONDS or marks != self._marks
            state = self._read(self._root, with_disk=is_whole, with_champion=is_whole or self._has_database())
            if is_whole:
                self._whole_at, self._marks = time.monotonic(), marks
            else:
                state = self._with_known(state)
        document = state_document(state)
        is_changed = document != self._document
        self._state, self._document = state, document
        self.version += is_changed
        return is_changed

    def _with_known(self, state: ProjectState) -> ProjectState:
        """Return a state with what was not looked at as it was."""
        assert self._state is not None
        state = replace(state, disk=self._state.disk)
        if self._has_database():
            return state
        fault = {name: text for name, text in self._state.faults.items() if name == "model in production"}
        return replace(
            state,
            champion=self._state.champion,
            is_promoted=self._state.is_promoted,
            has_store=self._state.has_store,
            faults={**state.faults, **fault},
        )

    def _has_database(self) -> bool:
        """Tell whether MLflow is a file here, which is read in no time."""
        try:
            return database_file(tracking_uri(Workspace(self._root, self._root))) is not None
        except Exception:  # noqa: BLE001 (the state itself says what is wrong with it)
            return False

    def _commit_marks(self) -> tuple[float, ...]:
        """Return when there was a commit, a run or a promotion."""
        files = (".git/HEAD", ".git/logs/HEAD", "dvc.lock")
        return tuple(path.stat().st_mtime if (path := self._root / name).exists() else 0.0 for name in files)
