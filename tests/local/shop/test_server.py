"""HTTP server of the shop: addresses, hosts, images and shutdown."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from protego import Protego

from pixmill.core.errors import PixmillError
from pixmill.local.shop.catalogue import ORIGIN, CardKind, Catalogue
from pixmill.local.shop.server import Shop


@pytest.fixture(scope="module")
def cards(data):
    return Catalogue(data).classes["sneaker"]


def first(cards, kind):
    return next(card for card in cards if card.kind is kind)


@pytest.mark.parametrize("address", ["/", "/robots.txt", "/nothing"])
def test_framing_is_forbidden(client, address):
    client.connection.request("GET", address, headers={"Host": "localhost"})
    answer = client.connection.getresponse()
    answer.read()
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


def test_images_are_served_unchanged(client, data, cards):
    catalogue = Catalogue(data)
    for card in cards:
        if card.image in catalogue.media and card != catalogue.slow:
            answer = client.ask(card.image)
            assert (answer.status, answer.body) == (200, card.path.read_bytes())
            assert answer.type == (card.mislabelled or "image/png")


def test_sold_out_images_are_missing(client, cards):
    card = first(cards, CardKind.SOLD_OUT)
    assert client.ask(card.image).status == 404
    assert "Sold out" in client.ask(f"/product/{card.id}").text


def test_robots_txt_disallows_members_images_only(client, cards):
    robots = Protego.parse(client.ask("/robots.txt").text)
    for address in (
        "/search?q=sneaker",
        f"/product/{cards[0].id}",
        first(cards, CardKind.PRODUCT).image,
    ):
        assert robots.can_fetch(ORIGIN + address, "Pixmill")
    for address in ("/checkout", first(cards, CardKind.MEMBERS).image):
        assert not robots.can_fetch(ORIGIN + address, "Pixmill")
    assert robots.crawl_delay("Pixmill") is None


def test_batches_are_json(client):
    answer = client.ask("/search/more?q=sneaker&page=2")
    assert answer.type == "application/json"
    assert sorted(json.loads(answer.body)) == ["html", "next", "pause"]


@pytest.mark.parametrize(
    "query",
    [
        "q=sneaker",
        "q=hat&page=1",
        "q=&page=1",
        *(f"q=sneaker&page={page}" for page in (0, -1, 99, "x", "9" * 5000)),
    ],
)
def test_invalid_batches_are_not_found(client, query):
    assert client.ask(f"/search/more?{query}").status == 404


@pytest.mark.parametrize(
    "address", ["/", "/search?q=red%20cat", "/search?q=red+cat", "/search?q=boots", "/checkout"]
)
def test_pages_are_html(client, address):
    answer = client.ask(address)
    assert (answer.status, answer.type) == (200, "text/html; charset=utf-8")


@pytest.mark.parametrize(
    "address",
    [
        "/nothing",
        "/product/0",
        "/media/0.png",
        "/media/../../../../etc/passwd",
        "/media/..%2f..%2fetc%2fpasswd",
        "/static/../server.py",
        "/static/%2e%2e/server.py",
        "//etc/passwd",
        "/data/sneaker/000.png",
    ],
)
def test_other_urls_are_not_found(client, address):
    assert client.ask(address).status == 404


@pytest.mark.parametrize(
    "host", ["shop.pixmill.test", "shop.pixmill.test:8000", "localhost:1", "127.0.0.1"]
)
def test_known_host_names_are_accepted(client, host):
    assert client.ask("/robots.txt", Host=host).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "shop.pixmill.test.evil.example", "", "[::1", "127.0.0.1.evil.example"]
)
def test_other_host_names_are_refused(client, host):
    assert client.ask("/robots.txt", Host=host).status == 400


def test_head_has_no_body(client, cards):
    assert client.ask("/", method="HEAD").body == b""
    assert client.ask(first(cards, CardKind.DUPLICATE).image, method="HEAD").body == b""
    assert client.ask("/").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_methods_are_refused(client, method):
    assert client.ask("/", method=method).status == 405


def test_slow_image_does_not_block_others(connect, data, shop):
    catalogue = Catalogue(data)
    slow = catalogue.slow.image
    took = []

    def wait():
        client = connect(shop)
        start = time.monotonic()
        assert client.ask(slow).status == 200
        took.append(time.monotonic() - start)

    waiting = threading.Thread(target=wait)
    waiting.start()
    client = connect(shop)
    # Only a few: on a busy machine, all may take longer than the slow image.
    for card in catalogue.classes["red cat"][:3]:
        assert client.ask(f"/product/{card.id}").status == 200
    assert waiting.is_alive()
    waiting.join()
    assert took[0] >= 2


def test_closed_shop_refuses_connections(connect, data):
    with Shop(data) as shop:
        connect(shop).ask("/robots.txt")
        start = time.monotonic()
    assert time.monotonic() - start < 20
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", shop.port), timeout=1)


def test_listens_on_one_address_only(shop):
    with pytest.raises(OSError, match=r"refused|assign|unreachable|timed out"):
        socket.create_connection(("127.0.0.2", shop.port), timeout=1)


def test_disconnecting_client_prints_nothing(shop, client, capfd):
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", shop.port)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert client.ask("/").status == 200
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET //[ HTTP/1.1\r\n\r\n", b"400"),
        (b"\x00\xff\r\n\r\n", b"400"),
    ],
)
def test_invalid_requests_are_refused(shop, request_bytes, status, capfd):
    with socket.create_connection(("127.0.0.1", shop.port)) as connection:
        connection.sendall(request_bytes)
        assert status in connection.recv(4096)
    assert capfd.readouterr().err == ""


def test_data_is_never_written_to(client, data, cards):
    def state():
        return hashlib.sha256(
            repr(
                [(str(path), path.stat().st_mtime_ns) for path in sorted(data.rglob("*"))]
            ).encode()
        ).hexdigest()

    before = state()
    client.search("sneaker")
    client.ask(cards[0].image)
    assert state() == before


def test_removed_image_is_not_found(connect, tmp_path):
    (tmp_path / "coat").mkdir()
    path = tmp_path / "coat" / "0.png"
    path.write_bytes(b"")
    (card,) = (
        card for card in Catalogue(tmp_path).classes["coat"] if card.kind is CardKind.PRODUCT
    )
    with Shop(tmp_path) as shop:
        client = connect(shop)
        path.unlink()
        assert client.ask(card.image).status == 404


def test_taken_port_is_reported(shop, data):
    with pytest.raises(PixmillError, match=f"cannot use port {shop.port}") as stop:
        Shop(data, port=shop.port)
    assert stop.value.next == "pixmill demo --shop --port 0"


SERVE = """
import sys
from pathlib import Path
from pixmill.local.shop.server import serve
serve(Path(sys.argv[1]), 0, open_browser=False)
"""


def test_ctrl_c_closes_the_shop(data):
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(data)], stderr=subprocess.PIPE, text=True
    )
    assert "The shop is running at http://localhost:" in process.stderr.readline()
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert errors.strip() == "The shop has stopped."
