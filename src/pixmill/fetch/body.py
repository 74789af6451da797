"""Read a response's body within a limit, whatever its headers claim."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

from aiohttp import ClientResponse

__all__ = ["TooLarge", "UnknownEncoding", "read_body"]

_CHUNK = 65536
_COMPRESSED = {"gzip", "x-gzip", "deflate"}
_PLAIN = {"", "identity"}
_ANY_WRAPPER = zlib.MAX_WBITS | 32
"""Tells zlib to find out itself whether the data is gzip or zlib."""


class TooLarge(Exception):  # noqa: N818 (an outcome that callers turn into a row, not a fault)
    """Say that a body is larger than allowed."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"more than {limit} bytes")


class UnknownEncoding(Exception):  # noqa: N818 (an outcome that callers turn into a row, not a fault)
    """Say that a body comes in a coding that was not asked for and is not read."""


async def read_body(response: ClientResponse, limit: int, *, cut: bool = False) -> bytes:
    """Return the whole body of a response.

    We ask for none, but some servers compress in any case: gzip and deflate are undone, never further than the limit.

    Args:
        response: A response that was requested without ``auto_decompress``.
        limit: The most bytes, counted after decompression.
        cut: Whether a larger body is cut at the limit rather than refused.

    Raises:
        TooLarge: There is more, or the server says that there will be.
        UnknownEncoding: The ``Content-Encoding`` is another one, or the data is not what it says.
    """
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in _COMPRESSED | _PLAIN:
        raise UnknownEncoding(encoding[:40])
    compressed = encoding in _COMPRESSED
    if not (compressed or cut) and (response.content_length or 0) > limit:
        raise TooLarge(limit)
    chunks = response.content.iter_chunked(_CHUNK)
    body = bytearray()
    async for chunk in _inflated(chunks, limit) if compressed else chunks:
        body += chunk
        if len(body) > limit:
            if cut:
                return bytes(body[:limit])
            raise TooLarge(limit)
    return bytes(body)


async def _inflated(chunks: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    inflater = zlib.decompressobj(_ANY_WRAPPER)
    try:
        async for chunk in chunks:
            # One byte above the limit is enough to know; a bomb never unfolds further.
            yield inflater.decompress(chunk, limit + 1)
    except zlib.error as error:
        raise UnknownEncoding(f"not what Content-Encoding says: {error}") from None
    if not inflater.eof:
        raise UnknownEncoding("the compressed data ends early")
