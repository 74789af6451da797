"""Labels that people give in the grid, kept at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.params import Params
from pixmill.review.grid.pile import Pile


class ChangedError(PixmillError):
    """Images were changed since the page showed them; nothing was written."""


class Other(NamedTuple):
    """Another window, or person, that labels here.

    Args:
        by: Name.
        seconds: Time since the last action.
        images: Number of images labelled or dropped in the last ten minutes.
    """

    by: str
    seconds: float
    images: int


class Labels:
    """Give labels to images of a pile; threads, windows and processes may share the project.

    An image of ``data/`` that no run has seen moves into the folder of its class, with its row in ``metadata.csv``;
    others get a line in ``review.csv``. An action whose method has returned survives SIGKILL; one that was interrupted
    is completed by the next call, or by the next start.

    Args:
        workspace: Folders of the project.
        params: Its parameters.
        pile: The images.

    Attributes:
        classes: The classes, with new ones.
    """

    classes: tuple[str, ...]

    def __init__(self, workspace: Workspace, params: Params, pile: Pile) -> None:
        raise NotImplementedError

    def refresh(self) -> None:
        """Take over what others labelled, and at most every ten seconds, new files; call it before each answer."""
        raise NotImplementedError

    def give(
        self, rows: Sequence[int], label: str, *, by: str, window: str, version: int, sample: Collection[int] = ()
    ) -> None:
        """Give images a label; a new class is added to ``params.yaml``.

        Args:
            rows: The images.
            label: The label.
            by: Name of the person.
            window: Identifies the window.
            version: :attr:`Pile.version` of the state that the window shows.
            sample: Rows of the random sample: two thirds become test, one third validation. Others become training.

        Raises:
            ChangedError: Another window changed some of the images after that version.
            ParamsError: The label cannot be a class.
            LockedError: Another process held the lock for ten seconds.
            StorageError: The disk is full or read-only.
        """
        raise NotImplementedError

    def drop(self, rows: Sequence[int], *, by: str, window: str, version: int) -> None:
        """Drop images: a line in ``review.csv``; their files stay. Arguments and errors as for :meth:`give`."""
        raise NotImplementedError

    def undo(self, *, by: str, window: str) -> list[int]:
        """Undo the last action of a window, and return its rows; none if there is nothing to undo.

        Raises:
            ChangedError: Someone changed an image since.
        """
        raise NotImplementedError

    def undoable(self, window: str) -> int:
        """Return the number of actions that a window can undo."""
        raise NotImplementedError

    def others(self, window: str) -> list[Other]:
        """Return who else labelled here in the last ten minutes, the latest first."""
        raise NotImplementedError

    def end(self) -> tuple[str, str | None]:
        """Return a summary of this process's actions, and the next command, if any."""
        raise NotImplementedError
