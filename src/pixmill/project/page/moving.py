"""Why the accuracy moved at the last point of the history, read beside the page."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pixmill.core.errors import PixmillError
from pixmill.core.files.writing import file_mark


class Moved:
    """The reason, read in a thread after the history or the results changed.

    Args:
        root: Project folder.

    Attributes:
        content: ``since`` (subject of the point before) and ``sentence``; ``None`` if nothing
            moved, there is nothing to compare with, or it is not read yet.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._key: tuple[Any, ...] = ()
        self.content: dict[str, str] | None = None

    def update(self, history: Sequence[dict[str, Any]]) -> None:
        """Read it if something changed; does not wait.

        Args:
            history: As from :func:`pixmill.project.page.overview.read_history`.
        """
        names = [each["commit"] for each in history[-2:]]
        key = (*names, file_mark(self._root / "dvc.lock"))
        if key == self._key:
            return
        self._key = key
        self.content = None
        if len(names) == 2:
            arguments = (key, history[-2]["subject"], *names)
            threading.Thread(target=self._read, args=arguments, daemon=True).start()

    def _read(self, key: tuple[Any, ...], since: str, base: str, head: str | None) -> None:
        # Import pandas here: the page does not wait for it.
        from pixmill.experiments.compare.comparing import read_shift
        from pixmill.experiments.compare.comparison import NotComparableError

        try:
            sentence = read_shift(self._root, base, head).sentence
        except (NotComparableError, PixmillError):
            return  # the accuracy stands alone
        if sentence and key == self._key:
            self.content = {"since": since, "sentence": sentence}
