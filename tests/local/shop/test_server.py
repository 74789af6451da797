"""HTTP server of the shop: addresses, hosts, images and shutdown."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
from protego import Protego

from pixmill.core.errors import PixmillError
from pixmill.local.shop.catalogue import ORIGIN, CardKind, Catalogue
from pixmill.local.shop.server import BATCH_SIZE, Shop


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
    assert "sold out" in client.ask(f"/product/{card.id}").text


def test_robots_txt_disallows_members_images_only(client, cards):
    robots = Protego.parse(client.ask("/robots.txt").text)
    for address in (
        "/search?q=sneaker",
        f"/product/{cards[0].id}",
        first(cards, CardKind.PRODUCT).image,
    ):
        assert robots.can_fetch(ORIGIN + address, "Pixmill")
    assert not robots.can_fetch(ORIGIN + first(cards, CardKind.MEMBERS).image, "Pixmill")
    assert robots.crawl_delay("Pixmill") is None


def ids(html):
    return re.findall(r'<article class="card" data-product-id="([0-9a-f]{16})"', html)


def test_batches_show_every_card_once_in_order_and_pause(client, cards):
    shown = ids(client.search("sneaker").text)
    number = 2
    pauses = []
    while number:
        batch = json.loads(client.ask(f"/search/more?q=sneaker&page={number}").body)
        shown += ids(batch["html"])
        pauses += [number] * batch["pause"]
        number = batch["next"]
    assert shown == [card.id for card in cards]
    assert len(shown) > 7 * BATCH_SIZE
    assert pauses == [2, 7]


@pytest.mark.parametrize("query", ["boots", "hat", "", "<script>alert(1)</script>"])
def test_query_without_results_has_a_page(client, query):
    page = client.search(query).text
    assert "data-no-results" in page
    assert not ids(page)
    assert "<script>alert" not in page


def test_pages_refer_to_no_other_hosts(client):
    for page in (client.ask("/").text, client.search("sneaker").text):
        addresses = re.findall(r'\b(?:href|src|data-src|action)="([^"]*)"', page)
        assert addresses
        assert all(re.match(r"/(?!/)|#|data:image/", address) for address in addresses)


def test_class_names_are_escaped(connect, tmp_path):
    label = """a<b>&"c' d"""
    (tmp_path / label).mkdir()
    (tmp_path / label / "0.png").write_text("<svg onload=alert(1)>")
    with Shop(tmp_path) as shop:
        client = connect(shop)
        for page in (client.ask("/").text, client.search(label).text):
            assert "<b>&" not in page.replace("<b>Pixmill Shop</b>", "")
            assert "/search?q=a%3Cb%3E%26%22c%27%20d" in page
        (card, *_) = ids(client.search(label).text)
        assert client.ask(f"/product/{card}").status == 200


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
    "address",
    [
        "/nothing",
        "/product/0",
        "/media/..%2f..%2fetc%2fpasswd",
        "/static/%2e%2e/server.py",
        "/data/sneaker/000.png",
    ],
)
def test_other_urls_are_not_found(client, address):
    assert client.ask(address).status == 404


@pytest.mark.parametrize("host", ["shop.pixmill.test.evil.example", "", "127.0.0.1.evil.example"])
def test_other_host_names_are_refused(client, host):
    assert client.ask("/robots.txt", Host=host).status == 400


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
