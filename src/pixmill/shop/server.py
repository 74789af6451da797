"""The shop's server: HTTP/1.1 on loopback, for a scraper's own run and for people who want to look."""

from __future__ import annotations

import json
import re
import shutil
import sys
import threading
from collections import Counter
from http import HTTPStatus
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO
from urllib.parse import SplitResult, parse_qs, urlsplit

from pixmill.errors import PixmillError
from pixmill.loopback import LoopbackHandler, LoopbackServer
from pixmill.shop.catalogue import Catalogue
from pixmill.shop.pages import Pages, content_type

__all__ = ["ORIGIN", "Shop", "serve"]

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

_POLICY = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'"
"""Keeps the browser from asking anyone else for anything."""

_HTML, _JSON, _TEXT = "text/html; charset=utf-8", "application/json", "text/plain; charset=utf-8"


class Shop:
    """Serve a folder of pictures as a shop while the ``with`` block lasts.

    Args:
        data: The pictures, as ``<class>/<file>``; never written to.
        port: The port on 127.0.0.1; default: a free one.
        log: A file that gets a line for each request, of status, method, address and, after a tab, the user agent;
            default: none.

    Raises:
        DataError: There is no such folder, or no class in it.
        PixmillError: The port is taken.
    """

    def __init__(self, data: Path, *, port: int = 0, log: Path | None = None) -> None:
        catalogue = Catalogue(data)
        stream = log.open("a", encoding="utf-8") if log else None
        try:
            self._server = _Server(port, catalogue, stream)
        except OSError as error:
            raise PixmillError(
                f"the shop cannot use port {port}: {error.strerror}", next=f"make shop PORT={port + 1}"
            ) from error

    @property
    def port(self) -> int:
        """The port that the shop listens on."""
        return int(self._server.server_address[1])

    @property
    def requests(self) -> Counter[str]:
        """How often each address was asked for so far, by its path and query."""
        return self._server.asked()

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)


def serve(data: Path, port: int = 8000, *, open_browser: bool = True) -> None:
    """Keep the shop open until Ctrl-C.

    Args:
        data: The pictures, as ``<class>/<file>``.
        port: The port on 127.0.0.1.
        open_browser: Whether to show it in the person's own browser.
    """
    import webbrowser

    try:
        with Shop(data, port=port) as shop:
            address = f"http://localhost:{shop.port}/"
            print(f"The shop is open at {address} (Ctrl-C closes it)", file=sys.stderr, flush=True)  # noqa: T201
            if open_browser:
                webbrowser.open(address)
            threading.Event().wait()
    except KeyboardInterrupt:
        print("\nThe shop is closed.", file=sys.stderr)  # noqa: T201


class _Server(LoopbackServer):
    """Hold what all requests share."""

    request_queue_size = 128  # a scraper opens its connections all at once

    def __init__(self, port: int, catalogue: Catalogue, log: TextIO | None) -> None:
        self.catalogue = catalogue
        self.pages = Pages(catalogue)
        self.closing = threading.Event()
        self._log = log
        self._asked: Counter[str] = Counter()
        super().__init__(port, _Handler)  # last: where the port is taken, it calls server_close()

    def asked(self) -> Counter[str]:
        with self.lock:
            return self._asked.copy()

    def note(self, method: str, target: str, status: int, agent: str) -> None:
        with self.lock:
            self._asked[target] += 1
            if self._log:
                self._log.write(f"{status} {method} {target}\t{agent}\n")
                self._log.flush()

    def server_close(self) -> None:
        """Close at once, also towards those who wait for a slow picture."""
        self.closing.set()
        super().server_close()
        with self.lock:
            if self._log:
                self._log.close()
                self._log = None


class _Handler(LoopbackHandler):
    """Answer one connection's requests."""

    server_version = "PixmillShop"
    server: _Server

    def do_GET(self) -> None:  # noqa: N802 (the name that the standard library calls)
        """Answer with the page or picture of the address."""
        target, host = self._target()
        if host not in _HOSTS:
            self._send(HTTPStatus.MISDIRECTED_REQUEST, b"This is not the host you asked for.\n", _TEXT)
        elif target.path.startswith("/media/"):
            self._send_picture(target.path)
        elif target.path in _STATIC:
            content = (resources.files("pixmill.shop") / target.path[1:]).read_bytes()
            self._send(HTTPStatus.OK, content, f"{_STATIC[target.path]}; charset=utf-8")
        elif target.path == "/robots.txt":
            self._send(HTTPStatus.OK, _ROBOTS.encode(), _TEXT)
        elif target.path == "/search/more":
            self._send_more(parse_qs(target.query))
        else:
            self._send_page(target)

    do_HEAD = do_GET  # noqa: N815

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:  # noqa: ARG002
        """Count the request; the standard library would print it."""
        if self.command:  # otherwise the request made no sense and has no address
            # The headers are still missing where the request line alone is refused.
            headers = getattr(self, "headers", None) or {}
            self.server.note(self.command, self.path, int(code), headers.get("User-Agent", ""))

    def log_error(self, format: str, *args: Any) -> None:  # noqa: A002
        """Keep quiet: what is refused is counted like all other requests."""

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
            page = pages.search(_first(parse_qs(target.query), "q"), consented=consented)
        elif target.path == "/checkout":
            page = pages.notice("Nothing to pay.", "A practice shop takes no money.", consented=consented)
        elif target.path.startswith("/product/"):
            page = pages.product(target.path.removeprefix("/product/"), consented=consented)
        if page is None:
            status = HTTPStatus.NOT_FOUND
            page = pages.notice("Not on our shelves.", "There is no such page here.", consented=consented)
        self._send(status, page.encode(), _HTML)

    def _send_more(self, query: dict[str, list[str]]) -> None:
        page = _first(query, "page")
        known = re.fullmatch("[0-9]{1,6}", page)
        batch = self.server.pages.more(_first(query, "q"), int(page)) if known else None
        status = HTTPStatus.OK if batch else HTTPStatus.NOT_FOUND
        self._send(status, json.dumps(batch, ensure_ascii=False).encode(), _JSON)

    def _send_picture(self, address: str) -> None:
        media = self.server.catalogue.media.get(address)
        try:
            stream = media.path.open("rb") if media else None
        except OSError:  # a person removed it while the shop was open
            stream = None
        if media is None or stream is None:
            self._send(HTTPStatus.NOT_FOUND, b"Sold out.\n", _TEXT)
            return
        with stream:
            self.server.closing.wait(media.delay)
            kind = media.mislabelled or content_type(stream.read(2048))
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(stream.seek(0, 2)))
            self.send_header("Cache-Control", "private, max-age=600")
            self.end_headers()
            if self.command == "GET":
                stream.seek(0)
                shutil.copyfileobj(stream, self.wfile)

    def _send(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Content-Security-Policy", _POLICY)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


def _first(query: dict[str, list[str]], name: str) -> str:
    return query.get(name, [""])[0]
