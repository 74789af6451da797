"""Exceptions that the user can act on.

All exceptions of Pixmill; those not defined here name their module::

    PixmillError                        the user can fix it: shown as a message, never as a traceback
    ├── ParamsError                     params.yaml does not say what it must
    ├── PluginError                     a plugin in the project's src/ is not registered, or does not do what it must
    ├── DataError                       data/ is missing, unreadable or not what it should be
    ├── ManifestError                   an artifact of an earlier stage is missing or malformed
    ├── ReviewError                     review.csv has a malformed line
    ├── DecisionError                   a decision cannot be written (review.review_session)
    ├── BrowserError                    no browser, no driver, or the two do not fit
    │   └── BrowserLostError            a browser crashed or hangs; another one may do
    ├── UnreachableError                a browser shows no page for a URL (web.browser.visit)
    ├── LoadTimeoutError                a page does not finish loading (web.browser.visit)
    ├── ScrapeError                     a source or query delivered less than it must
    │   └── SearchError                 a search failed, in one word for tables (scrape.sources.failure)
    ├── GateError                       validate's gate stopped the pipeline
    ├── SplitError                      a class would have an empty part, or an image cannot be packed
    ├── TrainError                      training cannot start or did not end well
    │   └── DownloadError               weights cannot be downloaded now
    ├── StoreError                      MLflow refuses or cannot be reached (tracking.store)
    ├── StorageError                    a disk or folder is full, read-only or not permitted
    ├── InboxFullError                  the inbox takes no more before a review (serve.inbox)
    └── LockedError                     another process holds the workspace

    Exception                           an outcome that its caller handles
    ├── UndecodableError                bytes are not a usable image (images.verified_reading)
    ├── ServiceFullError                as many rows wait as may (images.compute.scheduler)
    ├── RemoteError                     the traceback of an exception in a worker, as its cause (images.compute.worker)
    ├── ProblemError                    the answer to a request that is refused, by RFC 9457 (web.problems)
    ├── Abandoned                       a callback ends a training for good (train.callback)
    ├── StoppedError                    a search ends since the run does (scrape.collection.access)
    ├── MalformedError                  a file of a revision is malformed (core.repository.documents)
    ├── NotComparableError              two revisions cannot be compared (experiments.compare.comparison)
    ├── OSError
    │   └── ForbiddenHostError          a host or address is not public (web.fetch.guard)
    └── ValueError
        └── InvalidURLError             a text is no URL that is fetched (web.fetch.location)

Any other exception is a defect and keeps its traceback.
"""


class PixmillError(Exception):
    """An error that the user can fix: what went wrong, and what to do next.

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
    """A wrong parameter: which one, what was expected and what was received."""


class PluginError(PixmillError):
    """A plugin of the project that is not registered, or does not do what it must."""


class DataError(PixmillError):
    """Local images that are missing, unreadable or not what they should be."""


class ManifestError(PixmillError):
    """An artifact of an earlier stage that is missing or malformed."""


class ReviewError(PixmillError):
    """A malformed line of ``review.csv``."""


class BrowserError(PixmillError):
    """What keeps a browser session from starting."""


class BrowserLostError(BrowserError):
    """A browser that crashed or no longer answers."""


class ScrapeError(PixmillError):
    """A source or query that returned too few images, and why."""


class GateError(PixmillError):
    """A critical check that failed: for which class, by how much, and which parameter sets it."""


class SplitError(PixmillError):
    """A class with an empty split, or an image that cannot be packed, and what to change."""


class TrainError(PixmillError):
    """A training that cannot start or did not end well, and why."""


class DownloadError(TrainError):
    """Weights that cannot be downloaded now."""


class StorageError(PixmillError):
    """A file that could not be written or read, and why."""


class LockedError(PixmillError):
    """A lock that another process holds."""
