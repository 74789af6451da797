"""Parse untrusted URLs, host names and ``data:`` URIs."""

import base64
import binascii
import re
from collections.abc import Collection
from urllib.parse import unquote_to_bytes

from yarl import URL

from pixmill.fetch.values import Fetched, Refused

_MAX_URL_LENGTH = 8192
_RFC3986 = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
"""Characters of RFC 3986; a URL of these is not re-encoded."""

_WHITESPACE = re.compile(rb"\s+")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


class InvalidURLError(ValueError):
    """Raised for a text that is not a valid http(s) URL or host."""


def parse_url(text: str) -> URL:
    """Return an http(s) URL without credentials and fragment.

    The host is normalised (full-width letters, ideographic dots), since checks apply to this form.
    A well-formed path and query are kept literally, since some servers sign them.

    Raises:
        InvalidURLError: The text is not an absolute http(s) URL.
    """
    if len(text) > _MAX_URL_LENGTH:
        raise InvalidURLError(f"longer than {_MAX_URL_LENGTH} characters")
    try:
        url = URL(text)
        host = url.host
        _ = url.port
    except (ValueError, IndexError) as error:  # yarl raises IndexError for http://[]@
        raise InvalidURLError(str(error)) from None
    if url.scheme not in ("http", "https"):
        raise InvalidURLError(f"expected http or https, received {url.scheme or 'no scheme'}")
    if not host or not host.strip("."):
        raise InvalidURLError("it has no host")
    if _RFC3986.fullmatch(text):
        exact = URL(text, encoded=True)
        url = exact if exact.raw_host == url.raw_host and exact.port == url.port else url
    return url.with_user(None).with_fragment(None)


def host_of(text: str) -> str:
    """Return a host in its normal form: lower case, ASCII, no brackets, no trailing dot.

    Args:
        text: Name or address, without port.

    Raises:
        InvalidURLError: The text is not a valid host.
    """
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        host = URL.build(scheme="http", host=bare).raw_host or ""
    except ValueError as error:
        raise InvalidURLError(str(error)) from None
    if not host.strip("."):
        raise InvalidURLError("it has no host")
    return host.rstrip(".")


def is_within(host: str, domains: Collection[str]) -> bool:
    """Return whether a host equals one of these domains or is a subdomain of one.

    >>> is_within("img.shop.test", {"shop.test"}), is_within("myshop.test", {"shop.test"})
    (True, False)
    """
    labels = host.split(".")
    return any(".".join(labels[start:]) in domains for start in range(len(labels)))


def is_on(url: str | None, domains: Collection[str]) -> bool:
    """Return whether a URL is http(s) and its host is within one of these domains.

    >>> is_on("https://img.shop.test/1.jpg", {"shop.test"}), is_on("data/coat/1.jpg", {"shop.test"})
    (True, False)
    """
    try:
        return bool(url and domains) and is_within(
            host_of(parse_url(url or "").raw_host or ""), domains
        )
    except InvalidURLError:
        return False


def decode_data_uri(uri: str, *, max_bytes: int) -> Fetched | Refused:
    """Return the bytes of a ``data:`` URI.

    Line breaks, percent-encoding, missing padding and the URL-safe alphabet are accepted, as in
    browsers. The media type is ignored; formats are detected by content.

    Args:
        uri: The whole URI.
        max_bytes: Maximum decoded bytes.

    >>> decode_data_uri("data:image/png;base64,cGl4ZWxz", max_bytes=100)
    Fetched(content=b'pixels', url='data:', etag=None, modified=None)
    >>> decode_data_uri("data:image/png", max_bytes=100).reason
    'bad_data_uri'
    """
    head, comma, body = uri.partition(",")
    if head[:5].lower() != "data:" or not comma:
        return Refused("bad_data_uri", "expected data:…,…")
    is_base64 = head.rstrip().lower().endswith(";base64")
    # A percent-encoded byte takes three characters; four base64 characters encode three bytes.
    if len(body) > 4 * max_bytes + 64:
        return Refused("too_large", f"more than {max_bytes} bytes")
    try:
        content = unquote_to_bytes(body)
    except UnicodeEncodeError:
        return Refused("bad_data_uri", "it contains half a surrogate pair")
    if is_base64:
        digits = _WHITESPACE.sub(b"", content).translate(_URL_SAFE).rstrip(b"=")
        try:
            content = base64.b64decode(digits + b"=" * (-len(digits) % 4), validate=True)
        except binascii.Error as error:
            return Refused("bad_data_uri", f"not base64: {error}")
    if len(content) > max_bytes:
        return Refused("too_large", f"more than {max_bytes} bytes")
    return Fetched(content, "data:")
