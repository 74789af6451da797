"""HTTP server of the shop, for scraping runs and for ``pixmill demo --shop``."""

import base64
import re
import sys
import time
from pathlib import Path
from typing import Any

import jinja2
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pixmill.images.formats import sniff
from pixmill.local.loopback import LoopbackServer, wait_for_interrupt
from pixmill.local.shop.catalogue import CardKind, Catalogue, ProductCard, display_name

BATCH_SIZE = 20
"""Cards per batch; fills rows of 2, 4 and 5."""

_FIRST_PAUSE = 2
_PAUSE_EVERY = 5
"""Batch after which scrolling stops until "Show more" is clicked; batches between stops."""

_HOSTS = ["shop.pixmill.test", "localhost", "127.0.0.1"]
"""Accepted host names; others are DNS rebinding."""

_ROBOTS = "User-agent: *\nDisallow: /media/private/\n"

_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
"""Forbids requests to other hosts, and frames on other sites."""

_SLOW_SECONDS = 2.0
_PLACEHOLDER = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


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
        self._catalogue = Catalogue(data)
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("pixmill.local.shop"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        self._templates.globals |= {
            "classes": {label: display_name(label) for label in self._catalogue.classes},
            "image_of": _image,
        }
        routes = [
            Route("/", self._home),
            Route("/search", self._search),
            Route("/search/more", self._more),
            Route("/product/{id}", self._product),
            Route("/media/{name:path}", self._media),
            Route("/robots.txt", lambda _: PlainTextResponse(_ROBOTS, headers=_headers())),
            Mount("/static", StaticFiles(packages=[("pixmill.local.shop", "static")])),
        ]
        app = Starlette(
            routes=routes,
            middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=_HOSTS)],
            exception_handlers={404: self._not_found},
        )
        super().__init__(app, command="pixmill demo --shop", port=port)

    def _home(self, request: Request) -> Response:
        windows = {label: self._catalogue.window(label) for label in self._catalogue.classes}
        return self._page(request, "home.html", windows=windows)

    def _search(self, request: Request) -> Response:
        query = request.query_params.get("q", "")
        found = self._catalogue.find(query)
        if not found:
            return self._page(request, "notice.html", heading="No results", query=query)
        batch = _batch(found, 1)
        label = found[0].label
        return self._page(
            request, "search.html", query=query, current=label, total=len(found), **batch
        )

    def _more(self, request: Request) -> Response:
        """Answer with a further batch of results."""
        page = request.query_params.get("page", "")
        number = int(page) if re.fullmatch("[0-9]{1,6}", page) else 0
        batch = _batch(self._catalogue.find(request.query_params.get("q", "")), number)
        cards = batch.pop("cards")
        if not cards:
            return JSONResponse(None, 404)
        html = self._templates.get_template("cards.html").render(cards=cards)
        return JSONResponse({"html": html, **batch})

    def _product(self, request: Request) -> Response:
        card = self._catalogue.products.get(request.path_params["id"])
        if card is None:
            return self._not_found(request)
        is_sold_out = card.kind is CardKind.SOLD_OUT
        return self._page(
            request, "product.html", card=card, current=card.label, is_sold_out=is_sold_out
        )

    def _media(self, request: Request) -> Response:
        card = self._catalogue.media.get(request.scope["path"])
        if card is None or not card.path.is_file():  # it may have been removed meanwhile
            return PlainTextResponse("Sold out.\n", 404)
        if card is self._catalogue.slow:
            time.sleep(_SLOW_SECONDS)
        content = card.path.read_bytes()
        kind = card.mislabelled or _content_type(content)
        return Response(content, headers=_headers("private, max-age=600") | {"Content-Type": kind})

    def _not_found(self, request: Request, _: Exception | None = None) -> Response:
        return self._page(request, "notice.html", 404, heading="Page not found")

    def _page(
        self, request: Request, template: str, status: int = 200, **values: Any
    ) -> HTMLResponse:
        values = {"query": "", "current": ""} | values
        has_consented = "consent" in request.cookies
        html = self._templates.get_template(template).render(consented=has_consented, **values)
        return HTMLResponse(html, status, _headers())


def _headers(cache: str = "no-cache") -> dict[str, str]:
    return {"Cache-Control": cache, "Content-Security-Policy": _POLICY}


def _batch(cards: tuple[ProductCard, ...], page: int) -> dict[str, Any]:
    """Return the cards of a batch, the number of the ``next``, and whether that needs a click."""
    end = page * BATCH_SIZE
    is_last = end >= len(cards)
    pauses = page >= _FIRST_PAUSE and (page - _FIRST_PAUSE) % _PAUSE_EVERY == 0
    return {
        "cards": cards[max(0, end - BATCH_SIZE) : end],
        "next": None if is_last else page + 1,
        "pause": pauses and not is_last,
    }


def _image(card: ProductCard) -> dict[str, str]:
    """Return a card's ``src`` and ``data-src``, the latter empty if absent."""
    if card.inline is None:
        return {"src": _PLACEHOLDER, "data_src": card.image}
    content = card.path.read_bytes()
    inlined = f"data:{_content_type(content)};base64,{base64.b64encode(content).decode()}"
    if card.inline == "src":
        return {"src": inlined, "data_src": ""}
    return {"src": _PLACEHOLDER, "data_src": inlined}


def _content_type(content: bytes) -> str:
    """Return the content type of an image, not of others, such as SVG with scripts."""
    name = sniff(content)
    if name in ("jpeg", "png", "webp", "gif", "bmp", "tiff"):
        return f"image/{name}"
    return "application/octet-stream"


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
