"""What a person may set about the service."""

from dataclasses import dataclass, field
from pathlib import Path

from pixmill.images.compute import RowLimits, default_workers
from pixmill.models.inference import LIMITS

MAX_IMAGES = 16
"""Maximum number of images in a request."""

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
"""Names of this machine that nobody else answers to."""


@dataclass(frozen=True)
class Settings:
    """What a person may set about the service.

    Args:
        model: As for :func:`pixmill.serve.predict.model.find_model`; default: the project's own.
        root: The project's folder; ``None`` outside of one.
        workers: Processes that decode and predict; default: one per processor.
        limits: Limits on one image, within a worker.
        waiting: Images that may wait for each worker, so that an answer comes in a second or two; while as many wait,
            requests are refused with 503.
        max_bytes: Maximum size of a request's body.
        held_bytes: Maximum size of all bodies that are in memory at the same time.
        url_rate: URLs that one client may have fetched in a minute; 0: none, and nobody reaches the network through
            the service.
        inbox: Folder of the feedback; ``None``: none is taken.
        inbox_bytes: Maximum size of the inbox.
        keys: API keys; empty: none is asked for.
        proxies: Addresses or networks of proxies, whose ``X-Forwarded-For`` names the client.
        hosts: Names that requests may give in ``Host``, against pages that let their own name point here; ``None``:
            any.
        poll: Seconds between two looks at what the model's name stands for; 0: none.
    """

    model: str | None = None
    root: Path | None = None
    workers: int = field(default_factory=default_workers)
    limits: RowLimits = LIMITS
    waiting: int = 16
    max_bytes: int = 20 << 20
    held_bytes: int = 128 << 20
    url_rate: int = 10
    inbox: Path | None = None
    inbox_bytes: int = 1 << 30
    keys: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    hosts: tuple[str, ...] | None = LOOPBACK
    poll: float = 30
