"""Exceptions that the user can act on.

All exceptions of Pixmill; those not defined here name their module::

    PixmillError                      the user can fix it: shown as a message, never as a traceback
    ├── ParamsError                   params.yaml has a wrong key or value
    ├── PluginError                   a plugin is not registered or breaks its interface
    ├── DataError                     data/ is missing, unreadable or malformed
    │   └── UnreadError               a file exceeds limits or lacks a header (dataset.table_files)
    ├── ManifestError                 an artifact of an earlier stage is missing or malformed
    ├── DecisionsError                decisions.csv has a malformed line
    ├── DecisionError                 a decision cannot be written (review.choices)
    ├── ChangedError                  decisions changed since an action (dataset.deciding)
    ├── BrowserError                  no browser, no driver, or incompatible versions
    │   └── BrowserLostError          a browser crashed or hangs; a new one may work
    ├── UnreachableError              a browser shows no page for a URL (fetch.browser.visit)
    ├── LoadTimeoutError              a page does not finish loading (fetch.browser.visit)
    ├── ScrapeError                   a source or query returned too few images
    │   └── SearchError               a search failed, in one word (scrape.sources.source)
    ├── GateError                     the gate of validate or split stopped the pipeline
    ├── SplitError                    a class would have an empty part, or an image cannot be packed
    ├── TrainError                    training cannot start, or it failed
    │   └── DownloadError             weights cannot be downloaded
    ├── StoreError                    MLflow refuses or cannot be reached (tracking.store)
    ├── StorageError                  a disk or folder is full, read-only or not permitted
    ├── GitError                      Git cannot read the repository, or fails (core.repository.git)
    ├── InboxFullError                the inbox is full until it is reviewed (dataset.inbox)
    └── LockedError                   another process holds the workspace

    Exception                         handled by the caller
    ├── UndecodableError              bytes are not a usable image (images.verified_reading)
    ├── ServiceFullError              the queue of a service is full (images.compute.scheduler)
    ├── RemoteError                   carries a worker's traceback (images.compute.worker)
    ├── ProblemError                  a refused HTTP request, answered by RFC 9457 (local.problems)
    ├── Abandoned                     a callback stops a training for good (train.history)
    ├── StoppedError                  a search stops with the run (scrape.collection.access)
    ├── MalformedError                a file of a revision is malformed (core.repository.documents)
    ├── NotComparableError            revisions cannot be compared (experiments.compare.comparison)
    ├── OSError
    │   └── ForbiddenHostError        a host or address is not public (fetch.guard)
    └── ValueError
        └── InvalidURLError           a text is not a fetchable URL (fetch.location)

Any other exception is a bug and keeps its traceback.
"""

from functools import partial


class PixmillError(Exception):
    """An error that the user can fix.

    Args:
        message: The problem, with its file, URL or parameter.
        next: The command or edit that fixes it, without a full stop; ``None`` if the message
            suffices.
    """

    exit_code = 1

    def __init__(self, message: str, *, next: str | None = None) -> None:  # noqa: A002
        super().__init__(message)
        self.message = message
        self.next = next

    def __str__(self) -> str:
        return self.message if self.next is None else f"{self.message}\nNext: {self.next}"

    def __reduce__(self) -> tuple[object, ...]:
        # Pickle cannot rebuild exceptions with keyword arguments.
        return partial(type(self), self.message, next=self.next), ()


class ParamsError(PixmillError):
    """A wrong parameter: which one, what was expected and what was received."""


class PluginError(PixmillError):
    """A plugin of the project that is not registered or breaks its interface."""


class DataError(PixmillError):
    """Local images that are missing, unreadable or malformed."""


class ManifestError(PixmillError):
    """An artifact of an earlier stage that is missing or malformed."""


class DecisionsError(PixmillError):
    """A malformed line of ``decisions.csv`` or ``review.csv``."""


class BrowserError(PixmillError):
    """A browser session that cannot start."""


class BrowserLostError(BrowserError):
    """A browser that crashed or no longer answers."""


class ScrapeError(PixmillError):
    """A source or query that returned too few images."""


class GateError(PixmillError):
    """A critical check that failed: for which class, by how much, and which parameter sets it."""


class SplitError(PixmillError):
    """A class with an empty split, or an image that cannot be packed."""


class TrainError(PixmillError):
    """A training that cannot start or that failed."""


class DownloadError(TrainError):
    """Weights that cannot be downloaded."""


class StorageError(PixmillError):
    """A file that could not be written or read."""


class LockedError(PixmillError):
    """A lock that another process holds."""
