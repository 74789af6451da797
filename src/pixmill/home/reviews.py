"""The review within the page: made when it is first looked at, and made anew after a run."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from pixmill.core.errors import DataError, PixmillError
from pixmill.core.params import load_params
from pixmill.core.workspace import Workspace

if TYPE_CHECKING:
    from pixmill.review.sitting import Ending, Sitting


class Reviews:
    """Show a review while the ``with`` block lasts; :meth:`end` ends it then.

    Args:
        workspace: The project's folders.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._sitting: Sitting | None = None
        self._stamp: int | None = None
        self._is_opened = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._sitting is not None:
                self._sitting.__exit__(None, None, None)

    def open(self) -> None:
        """Have the next look show today's tables, since the page is loaded: numbers of cases would not fit before."""
        self._is_opened = True

    def current(self) -> Sitting:
        """Return the review that is shown.

        Raises:
            PixmillError: There is nothing to review, or the tables cannot be read.
        """
        with self._lock:
            if self._sitting is None or self._is_opened:
                self._renew()
            assert self._sitting is not None
            return self._sitting

    def end(self) -> Ending | None:
        """End the review, and return what it came to; ``None`` if none was shown."""
        with self._lock:
            return self._end()

    def _renew(self) -> None:
        """Make a review of today's tables, unless they are shown already."""
        from pixmill.review.sitting import Sitting  # It needs pandas.

        table = self._workspace.root / "artifacts/validate/manifest.parquet"
        self._is_opened = False
        if not table.exists():
            raise DataError("there are no images to review yet: the pipeline has not run", next="dvc repro")
        stamp = table.stat().st_mtime_ns
        if self._sitting is not None and stamp == self._stamp:
            return
        self._end()
        sitting = Sitting(self._workspace, load_params(self._workspace.root))
        if not sitting.cases:
            raise PixmillError("\n".join(sitting.remarks) or "Nothing to review.", next="go back to the project")
        sitting.__enter__()
        self._sitting, self._stamp = sitting, stamp

    def _end(self) -> Ending | None:
        sitting, self._sitting = self._sitting, None
        if sitting is None:
            return None
        sitting.__exit__(None, None, None)
        return sitting.end()
