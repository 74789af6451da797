"""HTTP server of the shop, for scraping runs and for the verb ``pixmill demo --shop``."""

import json
import re
import sys
import time
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pixmill.local.loopback import LoopbackServer, wait_for_interrupt
from pixmill.local.shop.catalogue import Catalogue
from pixmill.local.shop.rendering import Pages, content_type

_HOSTS = ["shop.pixmill.test", "localhost", "127.0.0.1"]
"""Accepted host names; others are DNS rebinding."""

_ROBOTS = """\
User-agent: *
Allow: /search
Allow: /product
Allow: /media
Disallow: /media/private/
Disallow: /checkout
"""

_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action "
    "'self'; "
    "frame-ancestors 'none'"
)
"""Forbids requests to other hosts, and frames on other sites."""

_SLOW_SECONDS = 2.0

_HTML = "text/html; charset=utf-8"


class Shop(LoopbackServer):
    """Serve a folder of images as a shop while the ``with`` block lasts.

    Args:
        data: Folder of images as ``<class>/<file>``; never written to.
        port: Port on 127.0.0.1; default: any free one.

    Raises:
        DataError: The folder does not exist or has no class folders.
        PixmillError: The port is taken.
    """

    def __init__(self, data: Path, *, port: int = 0) -> None:
        self.catalogue = Catalogue(data)
        views = _Views(self.catalogue)
        routes = [
            Route("/", views.home),
            Route("/search", views.search),
            Route("/search/more", views.more),
            Route("/product/{id}", views.product),
            Route("/checkout", views.checkout),
            Route("/media/{name:path}", views.image),
            Route("/robots.txt", lambda _: _answer(_ROBOTS, "text/plain")),
            Mount("/static", StaticFiles(packages=[("pixmill.local.shop", "static")])),
        ]
        app = Starlette(
            routes=routes,
            middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=_HOSTS)],
            exception_handlers={404: views.not_found},
        )
        super().__init__(app, command="pixmill demo --shop", port=port)


class _Views:
    """Answer requests for pages and images."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._pages = Pages(catalogue)

    def home(self, request: Request) -> Response:
        return _answer(self._pages.home(consented=_has_consented(request)))

    def search(self, request: Request) -> Response:
        return _answer(
            self._pages.search(request.query_params.get("q", ""), consented=_has_consented(request))
        )

    def more(self, request: Request) -> Response:
        query, page = (request.query_params.get(name, "") for name in ("q", "page"))
        batch = self._pages.more(query, int(page)) if re.fullmatch("[0-9]{1,6}", page) else None
        return _answer(
            json.dumps(batch, ensure_ascii=False), "application/json", 200 if batch else 404
        )

    def product(self, request: Request) -> Response:
        page = self._pages.product(request.path_params["id"], consented=_has_consented(request))
        return _answer(page) if page else self.not_found(request)

    def checkout(self, request: Request) -> Response:
        text = "This is a practice shop: nothing is for sale."
        return _answer(
            self._pages.notice("Nothing to pay.", text, consented=_has_consented(request))
        )

    def not_found(self, request: Request, _: Exception | None = None) -> Response:
        text = "This page does not exist."
        return _answer(
            self._pages.notice("Page not found.", text, consented=_has_consented(request)),
            status=404,
        )

    def image(self, request: Request) -> Response:
        card = self._catalogue.media.get(request.scope["path"])
        if card is None or not card.path.is_file():  # it may have been removed meanwhile
            return _answer("Sold out.\n", "text/plain", 404)
        if card is self._catalogue.slow:
            time.sleep(_SLOW_SECONDS)
        content = card.path.read_bytes()
        return _answer(
            content, card.mislabelled or content_type(content), cache="private, max-age=600"
        )


def _has_consented(request: Request) -> bool:
    return "consent" in request.cookies


def _answer(
    content: str | bytes, kind: str = _HTML, status: int = 200, *, cache: str = "no-cache"
) -> Response:
    headers = {"Content-Type": kind, "Cache-Control": cache, "Content-Security-Policy": _POLICY}
    return Response(content, status, headers)


def serve(data: Path, port: int = 8000, *, open_browser: bool = True) -> None:
    """Run the shop until Ctrl-C.

    Args:
        data: Folder of images as ``<class>/<file>``.
        port: Port on 127.0.0.1; default 8000.
        open_browser: Open the shop in the default browser.
    """
    import webbrowser

    try:
        with Shop(data, port=port) as shop:
            address = f"http://localhost:{shop.port}/"
            print(  # noqa: T201
                f"The shop is running at {address} (stop with Ctrl-C)", file=sys.stderr, flush=True
            )
            if open_browser:
                webbrowser.open(address)
            wait_for_interrupt()
    except KeyboardInterrupt:
        print("\nThe shop has stopped.", file=sys.stderr)  # noqa: T201
