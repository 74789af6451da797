"""Settings and results of a fetch; failures are results, not exceptions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pixmill.core.words import printable

_TRANSIENT = re.compile(
    r"busy|connection|host_down|incomplete|robots_unreachable|timeout|http_(?:408|429|500|502|503|504)"
)

_MAX_DETAIL_LENGTH = 200


@dataclass(frozen=True)
class FetchLimits:
    """Limits of a fetch.

    Args:
        max_bytes: Maximum size of an image in bytes, compressed or not.
        timeout: Maximum seconds for a fetch, with redirects, retries and the pauses between them,
            but without waiting for a free connection or the host's rate limit.
        connect_timeout: Maximum seconds to connect, including TLS.
        read_timeout: Maximum seconds without data from the server.
        connections: Maximum concurrent requests.
        per_host: Maximum concurrent requests to one host.
        redirects: Maximum redirects to follow.
        attempts: Maximum attempts at a fetch that fails temporarily.
        first_pause: Seconds to wait after the first failure; doubled after each further one in a
            row.
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
    """Politeness settings.

    Args:
        contact: E-mail address or URL of the person responsible, sent in the User-Agent.
        rate: Maximum requests per second to one host; default: limited by connections only.
        jitter: Maximum share, 0 to 1, by which the pause between two requests to a host is randomly
            lengthened.
        opt_out: Hosts to skip, with all their subdomains.
        robots_exceptions: Hosts whose ``robots.txt`` is ignored, at the user's responsibility.
        own: Hosts that are served locally, to which ``rate`` does not apply.
    """

    contact: str | None = None
    rate: float | None = None
    jitter: float = 0.5
    opt_out: frozenset[str] = frozenset()
    robots_exceptions: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Network:
    """Exceptions from the rule that only public addresses are connected to.

    Args:
        served: Origins that this process serves, as ``name:port``, mapped to their ports on
            127.0.0.1. Their names are not resolved.
        allowed: Origins with non-public addresses that the user trusts, as ``name:port``; their
            other ports remain closed.
        authority: Additional certificate authority, a PEM file.
    """

    served: Mapping[str, int] = field(default_factory=dict)
    allowed: frozenset[str] = frozenset()
    authority: Path | None = None


@dataclass(frozen=True)
class Validators:
    """Validators of a version that the caller already has (RFC 9110, section 8.8).

    Args:
        etag: Its ``ETag``.
        modified: Its ``Last-Modified``.
        url: URL after redirects, the only one for which the validators hold; default: the requested
            URL.
    """

    etag: str | None = None
    modified: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class Fetched:
    """The content of a URL.

    Args:
        content: The body, within the size limit.
        url: URL after redirects; ``data:`` for a ``data:`` URI.
        etag: ``ETag`` of this version, if any.
        modified: ``Last-Modified`` of this version, if any.
    """

    content: bytes
    url: str
    etag: str | None = None
    modified: str | None = None


@dataclass(frozen=True)
class Unchanged:
    """Result for a URL that still delivers the version that the caller has."""


@dataclass(frozen=True)
class Refused:
    """Result for a URL that was not fetched.

    Args:
        reason: One word for tables: ``bad_url``, ``bad_data_uri``, ``private_address``,
            ``opted_out``, ``robots``, ``robots_unreachable``, ``crawl_delay``, ``x_robots_tag``,
            ``busy`` (the host requested a long pause), ``host_down`` (the host failed repeatedly),
            ``too_large``, ``timeout``, ``connection``, ``tls``, ``incomplete``, ``bad_response``,
            ``encoding``, ``bad_redirect``, ``too_many_redirects`` or ``http_<status>``.
        detail: Short explanation, a function of the server's answer. It may quote the answer, so it
            is truncated, and unprintable characters are escaped.
        retry_after: Seconds that the server asked to wait, if it did.
    """

    reason: str
    detail: str = ""
    retry_after: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", printable(self.detail)[:_MAX_DETAIL_LENGTH])

    @property
    def transient(self) -> bool:
        """Whether the same fetch may succeed later."""
        return _TRANSIENT.fullmatch(self.reason) is not None
