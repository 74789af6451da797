"""A small folder of images, its shop, and an HTTP client."""

import http.client
from dataclasses import dataclass
from urllib.parse import quote

import numpy as np
import pytest

from pixmill.images.png import write_png
from pixmill.local.shop.server import Shop

SNEAKERS = 130


@dataclass(frozen=True)
class Answer:
    status: int
    type: str
    body: bytes

    @property
    def text(self):
        return self.body.decode()


class Client:
    """Send requests to a shop over one persistent connection."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, address, method="GET", **headers):
        self.connection.request(method, address, headers={"Host": "shop.pixmill.test", **headers})
        answer = self.connection.getresponse()
        return Answer(answer.status, answer.headers["Content-Type"], answer.read())

    def search(self, query, **headers):
        return self.ask(f"/search?q={quote(query)}", **headers)


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop") / "data"
    for label, count in (("sneaker", SNEAKERS), ("red cat", 3), ("boot", 50), ("hat", 0)):
        (folder / label).mkdir(parents=True)
        for number in range(count):
            pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
            write_png(folder / label / f"{number:03d}.png", pixels)
    (folder / ".hidden").mkdir()
    (folder / "sneaker" / ".DS_Store").write_bytes(b"litter")
    (folder / "notes.txt").write_text("not a class")
    return folder


@pytest.fixture(scope="module")
def shop(data):
    with Shop(data) as shop:
        yield shop


@pytest.fixture
def connect():
    """Return a function that opens a connection to a shop."""
    clients = []

    def open_connection(shop):
        clients.append(Client(shop.port))
        return clients[-1]

    yield open_connection
    for client in clients:
        client.connection.close()


@pytest.fixture
def client(shop, connect):
    return connect(shop)
