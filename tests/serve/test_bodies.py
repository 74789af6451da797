"""A body that is refused costs little, whatever is in it, and nobody else waits for it."""

import base64
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.serve.conftest import BOUNDARY, Client, picture

pytestmark = pytest.mark.linux

SIZE = (20 << 20) - 100
JSON, FORM = "application/json", f"multipart/form-data; boundary={BOUNDARY}"
ROUTES = ["/v1/predict", "/invocations", "/v1/feedback", "/v1/explain", "/v1/fetch"]
EVERYWHERE = ("string", "parts")
"""These are sent to all routes, the others to the first two."""


def filled(head: bytes, unit: bytes, tail: bytes) -> bytes:
    """Return a body of 20 MiB."""
    return head + unit * ((SIZE - len(head) - len(tail)) // len(unit)) + tail


def part(name: str, file: str = "") -> bytes:
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode()


END = f"\r\n--{BOUNDARY}--\r\n".encode()
OTHER = part("other", '; filename="x"')
BODIES = {
    "keys": (JSON, lambda: b"{" + b",".join(b'"%d":0' % number for number in range(360_000)) + b"}"),
    "long key": (JSON, lambda: filled('{"\N{GRINNING FACE}'.encode(), b"A", b'":1}')),
    "objects": (JSON, lambda: filled(b'{"images":[', b"{},", b"{}]}")),
    "arrays": (JSON, lambda: filled(b'{"inputs":[', b"[],", b"[]]}")),
    "numbers": (JSON, lambda: filled(b'{"more":[', b"1,", b"1]}")),
    "digits": (JSON, lambda: filled(b'{"inputs":[', b"1", b"]}")),
    "depth": (JSON, lambda: filled(b"", b'{"a":', b"")),
    "string": (JSON, lambda: filled('{"inputs":["\N{GRINNING FACE}'.encode(), b"A", b'",1]}')),
    "escapes": (JSON, lambda: filled(b'{"inputs":["', b"\\u0100", b'",1]}')),
    "url": (JSON, lambda: filled(b'{"url":"', b"A", b'"}')),
    "parts": (FORM, lambda: filled(b"", part("label") + b"\r\n", END)),
    "heads": (FORM, lambda: filled(f"--{BOUNDARY}\r\n".encode(), b"a:\r\n", b"")),
    "field": (FORM, lambda: filled(part("label"), b"a", END)),
    "ends": (FORM, lambda: filled(OTHER, b"\r\n--", END)),
    "fields": ("application/x-www-form-urlencoded", lambda: filled(b"", b"a=b&", b"")),
}


@contextmanager
def watched(client: Client) -> Iterator[dict[str, float]]:
    """Watch the server during the block: its CPU in seconds, memory in MiB, and how long /healthz took at most."""
    seen = {"memory": 0.0, "wait": 0.0}
    before, memory, ended = client.process.cpu_times(), client.process.memory_info().rss, threading.Event()

    def weigh() -> None:
        while not ended.wait(0.005):
            seen["memory"] = max(seen["memory"], (client.process.memory_info().rss - memory) / 2**20)

    def ask() -> None:
        while not ended.wait(0.02):
            began = time.monotonic()
            assert client.get("/healthz").status == 200
            seen["wait"] = max(seen["wait"], time.monotonic() - began)

    threads = [threading.Thread(target=weigh), threading.Thread(target=ask)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        ended.set()
        for thread in threads:
            thread.join()
        after = client.process.cpu_times()
        seen["cpu"] = after.user + after.system - before.user - before.system


@pytest.mark.parametrize("name", BODIES)
def test_a_refused_body_is_cheap_on_each_route_and_memory_comes_back(client: Client, name: str) -> None:
    kind, made = BODIES[name]
    body = made()
    before = client.process.memory_info().rss
    for route in ROUTES if name in EVERYWHERE else ROUTES[:2]:
        with watched(client) as seen:
            assert 400 <= client.post(route, body, kind).status < 500
        assert seen["cpu"] <= 2
        assert seen["memory"] <= 256
        assert seen["wait"] <= 2
    # What the last request freed may be counted until the next one takes it.
    assert client.process.memory_info().rss - before < 128 << 20


def test_a_batch_of_as_much_as_may_be_is_taken(client: Client) -> None:
    cell = base64.b64encode(picture() + bytes(970_000)).decode()
    answer = client.post_json("/invocations", {"inputs": [cell] * 16})
    assert [row["reason"] for row in answer.json["predictions"]] == [None] * 16
    # The rate refuses these, not the number of commas.
    urls = [{"url": f"http://127.0.0.1/{','.ljust(4079, ',')}"}] * 16
    assert client.post_json("/v1/predict", {"images": urls}).is_problem(429)


@pytest.mark.parametrize("route", ["/v1/fetch", "/invocations"])
def test_json_is_asked_for(client: Client, route: str) -> None:
    for body, kind, status in ((b"{", JSON, 400), (b"{}", "text/plain", 415), (b"[]", JSON, 422)):
        assert client.post(route, body, kind).is_problem(status)
