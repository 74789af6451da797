"""Hosts of images: originals with faults, and thumbnails of search engines."""

import asyncio
import html

from aiohttp import web

from tests.scrape.replicas.photos import CDN_HOSTS, PAGE_HOSTS, Photo
from tests.scrape.replicas.site import Site, moved

__all__ = ["Cdn"]

_SLOW = 2.0
_PLACEHOLDER = "unavailable.jpg"
_TRAP_HOSTS = ("ads-0.test",)


class Cdn(Site):
    """Serve images by the token in their URL, and the pages that show them."""

    name = "cdn"
    hosts = (
        *CDN_HOSTS,
        *PAGE_HOSTS,
        *_TRAP_HOSTS,
        *(f"encrypted-tbn{number}.gstatic.com" for number in range(4)),
        *(f"{kind}{number}.mm.bing.net" for kind in ("ts", "tse") for number in range(1, 5)),
        "www.gstatic.com",
    )
    has_tls = False  # originals are served with and without TLS

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return the image of the URL."""
        host = request.url.host or ""
        if host in PAGE_HOSTS or host in _TRAP_HOSTS:
            text = f"<!doctype html><title>{host}</title><p>{html.escape(request.path)}</p>"
            return web.Response(text=text, content_type="text/html")
        if host.endswith(".gstatic.com") and request.path == "/images":
            return self.thumbnail(request.query.get("q", "").removeprefix("tbn:ANd9Gc"))
        if host.endswith(".mm.bing.net") and request.path == "/th":
            return self.thumbnail(request.query.get("id", "").removeprefix("OIP."))
        if request.path == f"/{_PLACEHOLDER}":
            return self.thumbnail(_PLACEHOLDER)
        _, _, rest = request.path.partition("/photos/")
        image = Photo.of(rest.partition("/")[0])
        return web.Response(status=404) if image is None else await self.original(request, image)

    def thumbnail(self, token: str) -> web.Response:
        """Return the thumbnail of a token, or an icon for other words."""
        image = Photo.of(token)
        images = self.world.images
        content = images.thumbnail_bytes(image) if image else images.content(Photo(token, 0), 0.12)
        return web.Response(
            body=content, content_type="image/jpeg", headers={"Cache-Control": "max-age=3600"}
        )

    async def original(self, request: web.BaseRequest, image: Photo) -> web.StreamResponse:
        """Return the original, with its fault."""
        images = self.world.images
        content = images.original_bytes(image)
        kind = "image/png" if images.is_png(image) else "image/jpeg"
        match images.fault(image):
            case "forbidden":
                return web.Response(status=403, text="No hot-linking.")
            case "missing":
                return web.Response(status=404, text="Gone.")
            case "page":
                return web.Response(
                    text="<!doctype html><title>A page</title><p>Look.</p>",
                    content_type="image/jpeg",
                )
            case "truncated":
                return await _cut(request, content, kind)
            case "placeholder":
                return moved(f"https://{CDN_HOSTS[0]}/{_PLACEHOLDER}")
            case "redirect" if "moved" not in request.query:
                host = CDN_HOSTS[image.number % len(CDN_HOSTS)]
                return moved(f"https://{host}/photos/{image.token}/moved?moved=1")
            case "slow":
                await asyncio.sleep(_SLOW * self.world.pace)
            case "small":
                content = images.content(image, 0.25)
                kind = "image/jpeg"
            case "noai":
                headers = {"X-Robots-Tag": "noai, noimageai"}
                return web.Response(body=content, content_type=kind, headers=headers)
            case "mislabelled":
                kind = "image/gif"
        return web.Response(body=content, content_type=kind)


async def _cut(request: web.BaseRequest, content: bytes, kind: str) -> web.StreamResponse:
    """Close the connection in the middle of an image."""
    response = web.StreamResponse(
        headers={"Content-Type": kind, "Content-Length": str(len(content))}
    )
    response.force_close()
    await response.prepare(request)
    await response.write(content[: len(content) // 2])
    assert request.transport is not None
    request.transport.close()
    return response
