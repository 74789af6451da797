"""Hosts with as many tiny images as are asked for."""

import struct
import zlib

from aiohttp import web

from tests.scrape.replicas.site import Site

__all__ = ["HOSTS", "Tiny", "address", "content"]

HOSTS = tuple(f"tiny-{number}.test" for number in range(8))


def address(number: int) -> str:
    """Return where the image of a number lies."""
    return f"http://{HOSTS[number % len(HOSTS)]}/{number}.png"


def content(number: int) -> bytes:
    """Return an image of one pixel, another one for each number below 2**24, drawn without much ado."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(kind, body)
        for kind, body in (
            (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)),
            (b"IDAT", zlib.compress(b"\0" + number.to_bytes(3, "big"), 1)),
            (b"IEND", b""),
        )
    )


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


class Tiny(Site):
    """Answer each number with its image."""

    name = "tiny"
    hosts = HOSTS
    has_tls = False

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Give an image."""
        number = request.path.removeprefix("/").removesuffix(".png")
        return web.Response(body=content(int(number)), content_type="image/png")
