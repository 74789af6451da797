"""What bounds a fetch, and what comes of it: bytes, or the reason why there are none, never an exception."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pixmill.core.words import printable

_TRANSIENT = re.compile(
    r"busy|connection|host_down|incomplete|robots_unreachable|timeout|http_(?:408|429|500|502|503|504)"
)

_LONGEST_DETAIL = 200


@dataclass(frozen=True)
class FetchLimits:
    """Bound what fetching may cost, here and at the other end.

    Args:
        max_bytes: The largest image, in bytes, compressed or not.
        timeout: Seconds that one fetch may take in all: redirects, repeats and pauses between them included, waiting
            for a free connection and for the host's turn not.
        connect_timeout: Seconds until a connection stands, TLS included.
        read_timeout: Seconds that a server may be silent.
        connections: Requests at the same time.
        per_host: Requests to one host at the same time.
        redirects: Redirects that are followed.
        attempts: How often a fetch that fails for a passing reason is tried.
        first_pause: Seconds to wait after a first failure; each further one in a row doubles them.
    """

    max_bytes: int = 25 * 1024 * 1024
    timeout: float = 60.0
    connect_timeout: float = 10.0
    read_timeout: float = 15.0
    connections: int = 16
    per_host: int = 8
    redirects: int = 5
    attempts: int = 3
    first_pause: float = 0.5


@dataclass(frozen=True)
class Politeness:
    """Who asks, how often, and whom not.

    Args:
        contact: An e-mail address or URL under which the person responsible can be reached; part of the User-Agent.
        rate: The most requests to one host a second; ``None`` for no limit but the connections.
        jitter: The share, 0 to 1, by which the pause between two requests to a host is lengthened at random.
        opt_out: Hosts that are left alone, with all their subdomains.
        robots_exceptions: Hosts whose ``robots.txt`` the user overrides on their own responsibility.
        own: Hosts that are our own, so that ``rate`` does not hold for them.
    """

    contact: str | None = None
    rate: float | None = None
    jitter: float = 0.5
    opt_out: frozenset[str] = frozenset()
    robots_exceptions: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Network:
    """The exceptions to the rule that every host must be public.

    Args:
        served: Origins that this process serves itself, as ``name:port``, each with its port on 127.0.0.1. They are
            never looked up.
        allowed: Hosts that the user trusts although their addresses are not public, as ``name:port``; such addresses
            are reached on no other port of theirs.
        authority: A certificate authority, as a PEM file, that is believed beside the system's.
    """

    served: Mapping[str, int] = field(default_factory=dict)
    allowed: frozenset[str] = frozenset()
    authority: Path | None = None


@dataclass(frozen=True)
class Validators:
    """The version of an image that somebody has already (RFC 9110, section 8.8).

    Args:
        etag: The ``ETag`` that it came with.
        modified: The ``Last-Modified`` that it came with.
        url: Where it came from, if redirects led there: both say nothing of any other address. ``None`` for the address
            that is asked itself.
    """

    etag: str | None = None
    modified: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class Fetched:
    """A URL's content.

    Args:
        content: The body's bytes, within the limit.
        url: Where they came from in the end, after redirects; ``data:`` for inlined bytes.
        etag: The ``ETag`` of this version, where the server gave one.
        modified: Its ``Last-Modified``, likewise.
    """

    content: bytes
    url: str
    etag: str | None = None
    modified: str | None = None


@dataclass(frozen=True)
class Unchanged:
    """Say that a URL still delivers the version that somebody has already."""


@dataclass(frozen=True)
class Refused:
    """Why a URL delivered nothing.

    Args:
        reason: One word for tables: ``bad_url``, ``bad_data_uri``, ``private_address``, ``opted_out``, ``robots``,
            ``robots_unreachable``, ``crawl_delay``, ``x_robots_tag``, ``busy`` (the host asked for a long pause),
            ``host_down`` (it failed again and again), ``too_large``, ``timeout``, ``connection``, ``tls``,
            ``incomplete``, ``bad_response``, ``encoding``, ``bad_redirect``, ``too_many_redirects`` or
            ``http_<status>``.
        detail: A few words for people, which follow from the server's answer alone. They may quote it: characters that
            would not show, or could lead a terminal or a table astray, are escaped, and the words are cut.
        retry_after: Seconds that the server asked us to wait, where it did.
    """

    reason: str
    detail: str = ""
    retry_after: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", printable(self.detail)[:_LONGEST_DETAIL])

    @property
    def transient(self) -> bool:
        """Whether the same fetch may well succeed later."""
        return _TRANSIENT.fullmatch(self.reason) is not None
