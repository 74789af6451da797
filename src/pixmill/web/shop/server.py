"""The shop's server: HTTP/1.1 on loopback, for a scraper's own run and for people who want to look."""

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
"""The shop's name in every output. Its port differs from run to run and is mapped by whoever connects."""

_HOSTS = {"shop.pixmill.test", "localhost", "127.0.0.1"}
"""Any other name in a request is a stranger's page that rebound its name to this machine."""

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
"""Keeps the browser from asking anyone else for anything, and other sites from showing the shop within a page."""

_SLOW_SECONDS = 2.0

_HTML, _JSON, _TEXT = "text/html; charset=utf-8", "application/json", "text/plain; charset=utf-8"


class Shop(LoopbackServer):
    """Serve a folder of images as a shop while the ``with`` block lasts.

    Args:
        data: The images, as ``<class>/<file>``; never written to.
        port: The port on 127.0.0.1; default: a free one.

    Raises:
        DataError: There is no such folder, or no class in it.
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
    """Answer one connection's requests."""

    server_version = "PixmillShop"
    server: Shop

    def do_GET(self) -> None:  # noqa: N802 (the name that the standard library calls)
        """Answer with the page or image of the address."""
        target, host = self._target()
        if host not in _HOSTS:
            self._send(HTTPStatus.MISDIRECTED_REQUEST, b"This is not the host you asked for.\n", _TEXT)
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
        """Return what is asked for, and the name of the host it is asked of, in small letters without a port."""
        try:
            target = urlsplit(self.path)
            # A proxy may send the whole address; it counts more than the header (RFC 9112, section 3.2.2).
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
        if card is None or not card.path.is_file():  # A person may remove it while the shop is open.
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
    """Keep the shop open until Ctrl-C.

    Args:
        data: The images, as ``<class>/<file>``.
        port: The port on 127.0.0.1.
        open_browser: Whether to show it in the default browser.
    """
    import webbrowser

    try:
        with Shop(data, port=port) as shop:
            address = f"http://localhost:{shop.port}/"
            if left_out := shop.catalogue.links_out:
                print(f"Left out: links out of {data} ({len(left_out)}), such as {left_out[0]}", file=sys.stderr)  # noqa: T201
            print(f"The shop is running at {address} (stop with Ctrl-C)", file=sys.stderr, flush=True)  # noqa: T201
            if open_browser:
                webbrowser.open(address)
            wait_for_interrupt()
    except KeyboardInterrupt:
        print("\nThe shop has stopped.", file=sys.stderr)  # noqa: T201
