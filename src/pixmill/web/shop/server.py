"""HTTP server of the shop, for scraping runs and for the verb ``pixmill shop``."""

import json
import re
import sys
import time
from http import HTTPStatus
from importlib import resources
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, urlsplit

from pixmill.core.errors import PixmillError
from pixmill.web.loopback import LoopbackHandler, LoopbackServer, wait_for_interrupt
from pixmill.web.shop.catalogue import Catalogue
from pixmill.web.shop.rendering import Pages, content_type

ORIGIN = "http://shop.pixmill.test"
"""The shop's origin in all outputs. Clients map it to the actual port, which varies."""

_HOSTS = {"shop.pixmill.test", "localhost", "127.0.0.1"}
"""Accepted host names; others are DNS rebinding."""

_ROBOTS = """\
User-agent: *
Allow: /search
Allow: /product
Allow: /media
Disallow: /media/private/
Disallow: /checkout
"""

_STATIC = {"/static/shop.css": "text/css", "/static/shop.js": "text/javascript"}

_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
"""Forbids requests to other hosts, and frames on other sites."""

_SLOW_SECONDS = 2.0

_HTML, _JSON, _TEXT = "text/html; charset=utf-8", "application/json", "text/plain; charset=utf-8"


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
        self.pages = Pages(self.catalogue)
        try:
            super().__init__(port, _ShopHandler)
        except OSError as error:
            raise PixmillError(
                f"the shop cannot use port {port}: {error.strerror}", next=f"pixmill shop --port {port + 1}"
            ) from error


class _ShopHandler(LoopbackHandler):
    """Answer requests for pages and images."""

    server_version = "PixmillShop"
    server: Shop

    def do_GET(self) -> None:  # noqa: N802 (standard library's name)
        """Answer a GET or HEAD request."""
        target, host = self._target()
        if host not in _HOSTS:
            self._send(HTTPStatus.MISDIRECTED_REQUEST, b"This server does not answer to that name.\n", _TEXT)
        elif target.path.startswith("/media/"):
            self._send_image(target.path)
        elif target.path in _STATIC:
            content = (resources.files("pixmill.web.shop") / target.path[1:]).read_bytes()
            self._send(HTTPStatus.OK, content, f"{_STATIC[target.path]}; charset=utf-8")
        elif target.path == "/robots.txt":
            self._send(HTTPStatus.OK, _ROBOTS.encode(), _TEXT)
        elif target.path == "/search/more":
            self._send_more(dict(parse_qsl(target.query)))
        else:
            self._send_page(target)

    do_HEAD = do_GET  # noqa: N815

    def _target(self) -> tuple[SplitResult, str | None]:
        """Return the request's target and its host name, in lower case without the port."""
        try:
            target = urlsplit(self.path)
            # A proxy may send an absolute URL, which overrides the header (RFC 9112, section 3.2.2).
            return target, target.hostname or urlsplit(f"//{self.headers.get('Host', '')}").hostname
        except ValueError:
            return urlsplit("/"), None

    def _send_page(self, target: SplitResult) -> None:
        pages = self.server.pages
        consented = "consent=" in self.headers.get("Cookie", "")
        status, page = HTTPStatus.OK, None
        if target.path == "/":
            page = pages.home(consented=consented)
        elif target.path == "/search":
            page = pages.search(dict(parse_qsl(target.query)).get("q", ""), consented=consented)
        elif target.path == "/checkout":
            page = pages.notice("Nothing to pay.", "This is a practice shop: nothing is for sale.", consented=consented)
        elif target.path.startswith("/product/"):
            page = pages.product(target.path.removeprefix("/product/"), consented=consented)
        if page is None:
            status = HTTPStatus.NOT_FOUND
            page = pages.notice("Page not found.", "This page does not exist.", consented=consented)
        self._send(status, page.encode(), _HTML)

    def _send_more(self, query: dict[str, str]) -> None:
        page = query.get("page", "")
        known = re.fullmatch("[0-9]{1,6}", page)
        batch = self.server.pages.more(query.get("q", ""), int(page)) if known else None
        status = HTTPStatus.OK if batch else HTTPStatus.NOT_FOUND
        self._send(status, json.dumps(batch, ensure_ascii=False).encode(), _JSON)

    def _send_image(self, address: str) -> None:
        card = self.server.catalogue.media.get(address)
        if card is None or not card.path.is_file():  # it may have been removed meanwhile
            self._send(HTTPStatus.NOT_FOUND, b"Sold out.\n", _TEXT)
            return
        if card is self.server.catalogue.slow:
            time.sleep(_SLOW_SECONDS)
        content = card.path.read_bytes()
        self._send(HTTPStatus.OK, content, card.mislabelled or content_type(content), cache="private, max-age=600")

    def _send(self, status: HTTPStatus, content: bytes, kind: str, *, cache: str = "no-cache") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", cache)
        self.send_header("Content-Security-Policy", _POLICY)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


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
            print(f"The shop is running at {address} (stop with Ctrl-C)", file=sys.stderr, flush=True)  # noqa: T201
            if open_browser:
                webbrowser.open(address)
            wait_for_interrupt()
    except KeyboardInterrupt:
        print("\nThe shop has stopped.", file=sys.stderr)  # noqa: T201
