"""Why the accuracy moved at the last point of the history, read beside the page."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

from pixmill.core.errors import PixmillError
from pixmill.core.files.writing import file_mark

_READER = ThreadPoolExecutor(max_workers=1)


def find_moved(root: Path, history: Sequence[dict[str, Any]]) -> dict[str, str] | None:
    """Return why the accuracy moved; does not wait for it.

    Args:
        root: Project folder.
        history: As from :func:`pixmill.project.page.overview.read_history`.

    Returns:
        ``since`` (subject of the point before) and ``sentence``; ``None`` if nothing moved, there
        is nothing to compare with, or it is not read yet.
    """
    if len(history) < 2:
        return None
    base, head = history[-2:]
    found = _begin(root, base["commit"], head["commit"], file_mark(root / "dvc.lock"))
    sentence = found.result() if found.done() else ""
    return {"since": base["subject"], "sentence": sentence} if sentence else None


@lru_cache(maxsize=1)
def _begin(root: Path, base: str, head: str | None, _: tuple[int, ...]) -> Future[str]:
    return _READER.submit(_read, root, base, head)


def _read(root: Path, base: str, head: str | None) -> str:
    # Import pandas here: the page does not wait for it.
    from pixmill.experiments.compare.comparing import read_shift
    from pixmill.experiments.compare.comparison import NotComparableError

    try:
        return read_shift(root, base, head).sentence
    except (NotComparableError, PixmillError):
        return ""  # the accuracy stands alone
