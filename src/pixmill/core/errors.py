"""Exceptions that the user can act on.

The tree::

    PixmillError                the user can fix it: shown as a message, never as a traceback
    ├── ParamsError             params.yaml does not say what it must
    ├── PluginError             a plugin in the project's src/ is not registered, or does not do what it must
    ├── DataError               data/ is missing, unreadable or not what it should be
    ├── ManifestError           an artifact of an earlier stage is missing or malformed
    ├── ReviewError             review.csv has a malformed line
    ├── BrowserError            no browser, no driver, or the two do not fit
    │   └── BrowserLost         a browser crashed or hangs; another one may do
    ├── ScrapeError             a source or query delivered less than it must
    ├── GateError               validate's gate stopped the pipeline
    ├── SplitError              a class would have an empty part, or an image cannot be packed
    ├── TrainError              training cannot start or did not end well
    ├── StorageError            a disk or folder is full, read-only or not permitted
    └── LockedError             another process holds the workspace

Whatever is not a ``PixmillError`` is a defect and keeps its traceback.
"""

from __future__ import annotations

__all__ = [
    "BrowserError",
    "BrowserLostError",
    "DataError",
    "GateError",
    "LockedError",
    "ManifestError",
    "ParamsError",
    "PixmillError",
    "PluginError",
    "ReviewError",
    "ScrapeError",
    "SplitError",
    "StorageError",
    "TrainError",
]


class PixmillError(Exception):
    """Say what went wrong and what to do next.

    Args:
        message: What went wrong, with the file, URL or parameter it is about.
        next: The next command or edit that fixes it, without a full stop; ``None`` where the message says it all.
    """

    exit_code = 1

    def __init__(self, message: str, *, next: str | None = None) -> None:  # noqa: A002
        super().__init__(message)
        self.message = message
        self.next = next

    def __str__(self) -> str:
        return self.message if self.next is None else f"{self.message}\nNext: {self.next}"

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions with keyword arguments need help to travel between processes.
        return (_rebuild, (type(self), self.message, self.next))


def _rebuild(kind: type[PixmillError], message: str, next_: str | None) -> PixmillError:
    return kind(message, next=next_)


class ParamsError(PixmillError):
    """Tell which parameter is wrong, what was expected and what was received."""


class PluginError(PixmillError):
    """Tell which plugin of the project is not registered, or what it must do."""


class DataError(PixmillError):
    """Tell what is wrong with local images."""


class ManifestError(PixmillError):
    """Tell which artifact of an earlier stage is missing or malformed."""


class ReviewError(PixmillError):
    """Tell which line of ``review.csv`` is malformed."""


class BrowserError(PixmillError):
    """Tell what keeps a browser session from starting."""


class BrowserLostError(BrowserError):
    """Tell where a browser crashed or no longer answers."""


class ScrapeError(PixmillError):
    """Tell which source or query returned too few images, and why."""


class GateError(PixmillError):
    """Tell which check failed, for which class, by how much, and which parameter sets it."""


class SplitError(PixmillError):
    """Tell which class has an empty split or which image cannot be packed, and what to change."""


class TrainError(PixmillError):
    """Tell why training cannot start or did not end well."""


class StorageError(PixmillError):
    """Tell which file could not be written or read, and why."""


class LockedError(PixmillError):
    """Tell who holds the workspace."""
