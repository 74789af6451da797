"""Read a URL from a stranger: plain http or https, with a host, without credentials."""

from __future__ import annotations

import re

from yarl import URL

__all__ = ["BadURL", "host_of", "parse_url"]

_LONGEST = 8192
_READY = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
"""Characters that RFC 3986 knows; a text of these alone is sent as it came."""

_PLAIN = re.compile(r"https?://(?![^/]*xn--)[a-z0-9\-.]*[a-z0-9](?::[1-9][0-9]{0,3})?/[A-Za-z0-9\-._~:/?!$&'()*+,;=%]*")
"""What most URLs look like. Nothing in them is read in two ways, or cannot be read, so that one look is enough."""


class BadURL(ValueError):  # noqa: N818 (an outcome that callers turn into a row, not a fault)
    """Say why a text is no URL that is fetched."""


def parse_url(text: str) -> URL:
    """Return the URL that is requested, or refuse it.

    Hosts are normalised (full-width letters, ideographic dots), so that what is checked is what is connected to. Paths
    and queries that are well-formed stay as they are to the letter, since some servers sign them.

    Raises:
        BadURL: The text is not an absolute http(s) URL.
    """
    if len(text) > _LONGEST:
        raise BadURL(f"longer than {_LONGEST} characters")
    if _PLAIN.fullmatch(text):
        return URL(text, encoded=True)
    try:
        url = URL(text)
        host, _ = url.host, url.port
    except ValueError as error:
        raise BadURL(str(error)) from None
    if url.scheme not in ("http", "https"):
        raise BadURL(f"expected http or https, received {url.scheme or 'no scheme'}")
    if not host or not host.strip("."):
        raise BadURL("it names no host")
    if _READY.fullmatch(text):
        exact = URL(text, encoded=True)
        url = exact if exact.raw_host == url.raw_host and exact.port == url.port else url
    return url.with_user(None).with_fragment(None)


def host_of(text: str) -> str:
    """Return the host that a text means, as a URL would carry it: in lower case, in ASCII, without brackets or dot.

    Args:
        text: A name or an address alone, without port.

    Raises:
        BadURL: The text is no host.
    """
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        host = URL.build(scheme="http", host=bare).raw_host or ""
    except ValueError as error:
        raise BadURL(str(error)) from None
    if not host.strip("."):
        raise BadURL("it names no host")
    return host.rstrip(".")
