"""Parse an untrusted URL: a plain http(s) URL, a host alone, or bytes inlined as a ``data:`` URI."""

import base64
import binascii
import re
from collections.abc import Collection
from urllib.parse import unquote_to_bytes

from yarl import URL

from pixmill.web.fetch.values import Fetched, Refused

_LONGEST = 8192
_READY = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
"""Characters that RFC 3986 knows; a text of these alone is sent as it came."""

_BLANK = re.compile(rb"\s+")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


class InvalidURLError(ValueError):
    """Why a text is no URL that is fetched."""


def parse_url(text: str) -> URL:
    """Return the URL that is requested, or refuse it.

    Hosts are normalised (full-width letters, ideographic dots), so that what is checked is what is connected to. Paths
    and queries that are well-formed stay as they are to the letter, since some servers sign them.

    Raises:
        InvalidURLError: The text is not an absolute http(s) URL.
    """
    if len(text) > _LONGEST:
        raise InvalidURLError(f"longer than {_LONGEST} characters")
    try:
        url = URL(text)
        host, _ = url.host, url.port
    except (ValueError, IndexError) as error:  # yarl raises IndexError for http://[]@
        raise InvalidURLError(str(error)) from None
    if url.scheme not in ("http", "https"):
        raise InvalidURLError(f"expected http or https, received {url.scheme or 'no scheme'}")
    if not host or not host.strip("."):
        raise InvalidURLError("it has no host")
    if _READY.fullmatch(text):
        exact = URL(text, encoded=True)
        url = exact if exact.raw_host == url.raw_host and exact.port == url.port else url
    return url.with_user(None).with_fragment(None)


def host_of(text: str) -> str:
    """Return the host that a text means, as a URL would carry it: in lower case, in ASCII, without brackets or dot.

    Args:
        text: A name or an address alone, without port.

    Raises:
        InvalidURLError: The text is no host.
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
    """Tell whether a host is one of some domains, or lies below one.

    >>> is_within("img.shop.test", {"shop.test"}), is_within("myshop.test", {"shop.test"})
    (True, False)
    """
    labels = host.split(".")
    return any(".".join(labels[start:]) in domains for start in range(len(labels)))


def decode_data_uri(uri: str, *, max_bytes: int) -> Fetched | Refused:
    """Return the bytes of a ``data:`` URI.

    Pages are careless: line breaks, escaped signs, missing padding and the URL-safe alphabet are all read. The media
    type is not, since content alone tells what some bytes are.

    Args:
        uri: The whole URI.
        max_bytes: The most bytes that are decoded.

    >>> decode_data_uri("data:image/png;base64,cGl4ZWxz", max_bytes=100)
    Fetched(content=b'pixels', url='data:', etag=None, modified=None)
    >>> decode_data_uri("data:image/png", max_bytes=100).reason
    'bad_data_uri'
    """
    head, comma, body = uri.partition(",")
    if head[:5].lower() != "data:" or not comma:
        return Refused("bad_data_uri", "expected data:…,…")
    is_base64 = head.rstrip().lower().endswith(";base64")
    # One escaped byte takes up to three characters, four base64 characters hold three bytes.
    if len(body) > 4 * max_bytes + 64:
        return Refused("too_large", f"more than {max_bytes} bytes")
    try:
        content = unquote_to_bytes(body)
    except UnicodeEncodeError:
        return Refused("bad_data_uri", "it holds half a surrogate pair")
    if is_base64:
        digits = _BLANK.sub(b"", content).translate(_URL_SAFE).rstrip(b"=")
        try:
            content = base64.b64decode(digits + b"=" * (-len(digits) % 4), validate=True)
        except binascii.Error as error:
            return Refused("bad_data_uri", f"not base64: {error}")
    if len(content) > max_bytes:
        return Refused("too_large", f"more than {max_bytes} bytes")
    return Fetched(content, "data:")
