"""A host with hostile responses: endless bodies, bombs, wrong types, path traversal."""

import asyncio
import contextlib
import gzip
import io
from typing import ClassVar

from aiohttp import ClientConnectionResetError, web
from PIL import Image

from tests.scrape.replicas.site import Site, moved

__all__ = ["HOST", "Hostile", "image"]

HOST = "hostile.test"
_CHUNK = bytes(2**16)


def image(number, side=16):
    """Return a small image, distinct for each number below 2**24."""
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), tuple(number.to_bytes(3, "big"))).save(buffer, "PNG")
    return buffer.getvalue()


class Hostile(Site):
    """Serve ``refusals`` (expected reason by path) and ``good`` paths."""

    name = "hostile"
    hosts = (HOST,)
    has_tls = False

    refusals: ClassVar = {
        "/endless.jpg": "too_large",
        "/drip.jpg": "timeout",
        "/bomb.png": "too_large",
        "/loop/0": "too_many_redirects",
        "/inner": "private_address",
        "/to-file": "bad_redirect",
        "/page.jpg": "html",
        "/drawing.png": "svg",
    }
    good = (
        "/../../../../etc/passwd",
        "/%2e%2e%2f%2e%2e%2fetc/passwd",
        "/a%00b.png",
        "/" + "n" * 2000,
        "/good.exe",
    )

    def __init__(self) -> None:
        # Compress in advance, which takes a second.
        self._bomb = gzip.compress(bytes(2**27))

    def urls(self):
        """Return all URLs, good ones last."""
        return [f"http://{HOST}{path}" for path in (*self.refusals, *self.good)]

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return the response of a path."""
        match request.path:
            case "/endless.jpg":
                return await self._pour(request)
            case "/drip.jpg":
                return await self._pour(request, chunk=b"x", pause=0.5)
            case "/bomb.png":
                return web.Response(
                    body=self._bomb,
                    headers={"Content-Encoding": "gzip", "Content-Type": "image/png"},
                )
            case "/inner":
                return moved("http://169.254.169.254/latest/meta-data/")
            case "/to-file":
                return moved("file:///etc/passwd")
            case "/page.jpg":
                return web.Response(body=b"<!doctype html><p>Look</p>", content_type="image/jpeg")
            case "/drawing.png":
                body = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
                return web.Response(body=body, content_type="image/png")
            case path if path.startswith("/loop/"):
                return moved(f"/loop/{int(path.removeprefix('/loop/')) + 1}")
        return web.Response(
            body=image(len(request.path) % 251),
            content_type="text/html",
            headers={"Content-Disposition": 'attachment; filename="../../../../tmp/escaped.png"'},
        )

    async def _pour(
        self,
        request: web.BaseRequest,
        chunk: bytes = _CHUNK,
        pause: float = 0.0,
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "image/jpeg"})
        await response.prepare(request)
        with contextlib.suppress(ClientConnectionResetError):
            while True:
                await response.write(chunk)
                await asyncio.sleep(pause)
        return response
