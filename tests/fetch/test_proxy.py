import contextlib
import gc
import re
import socket
import threading
import time
import urllib.error
import urllib.request

import pytest

from pixmill.fetch import proxy as module
from pixmill.fetch.proxy import Proxy, Refusal
from pixmill.fetch.values import Network
from tests.ports import unused_port
from tests.servers import Handler, serve


class Host(Handler):
    """Answer with the request itself: line, headers and body."""

    protocol_version = "HTTP/1.1"

    def respond(self):
        received = f"{self.requestline}\n{self.headers}".encode()
        received += self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(received, Connection="X-Private", X_Private="for the proxy only")


@pytest.fixture(scope="module")
def host():
    with serve(Host) as server:
        yield server.server_port


@pytest.fixture
def proxy(host):
    with Proxy(
        Network(
            served={"shop.test:80": host, "shop.test:443": host, "update.googleapis.com:80": host}
        )
    ) as proxy:
        yield proxy


def ask(proxy, url, data=None, **headers):
    """Request a page through the proxy, and return status and body."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": proxy.url}))
    try:
        with opener.open(urllib.request.Request(url, data, headers), timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@contextlib.contextmanager
def connected(proxy):
    with socket.create_connection(
        ("127.0.0.1", int(proxy.url.rsplit(":", 1)[1])), timeout=60
    ) as client:
        yield client


def raw(proxy, data):
    """Send bytes, and return the whole answer."""
    with connected(proxy) as client:
        client.sendall(data)
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_served_host_receives_origin_form_and_its_name(proxy):
    status, received = ask(proxy, "http://shop.test/a?b=%20c")
    assert status == 200
    assert received.startswith("GET /a?b=%20c HTTP/1.1\n")
    assert "Host: shop.test\n" in received


def test_hop_by_hop_headers_are_not_forwarded(proxy):
    secret = {
        "Proxy-Authorization": "Basic eA==",
        "Keep-Alive": "5",
        "Upgrade": "websocket",
        "X-Kept": "yes",
    }
    _, received = ask(proxy, "http://user:secret@shop.test/", **secret)
    assert "X-Kept: yes" in received.title().replace("Yes", "yes")
    for removed in ("secret", "basic", "keep-alive", "websocket"):
        assert removed not in received.lower()
    answer = raw(proxy, b"GET http://shop.test/ HTTP/1.1\r\nHost: other.test\r\n\r\n")
    assert b"for the proxy only" not in answer
    assert b"other.test" not in answer


def test_bodies_are_forwarded(proxy):
    sent = "image" * 300_000
    assert ask(proxy, "http://shop.test/", sent.encode())[1].endswith(sent)


def test_one_connection_carries_one_request(proxy):
    answer = raw(proxy, b"GET http://shop.test/1 HTTP/1.1\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200") == 1
    assert b"Connection: close" in answer


def test_tunnel_to_a_served_port(proxy):
    answer = raw(
        proxy,
        b"CONNECT shop.test:443 HTTP/1.1\r\n\r\nGET /in HTTP/1.1\r\nConnection: close\r\n\r\n",
    )
    assert answer.startswith(b"HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 200 OK")
    assert b"GET /in HTTP/1.1" in answer


@pytest.mark.parametrize(
    "spelling",
    ["127.0.0.1", "2130706433", "0177.0.0.1", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "localhost",
     "10.0.0.1", "169.254.169.254", "224.0.0.1", "[fe80::1]"],
)  # fmt: skip
def test_non_public_hosts_are_refused(proxy, host, spelling):
    for request in (
        f"GET http://{spelling}:{host}/ HTTP/1.1\r\n\r\n",
        f"CONNECT {spelling}:{host} HTTP/1.1\r\n\r\n",
    ):
        answer = raw(proxy, request.encode())
        assert answer.startswith(b"HTTP/1.1 403 ")
        # scrape.allow_hosts takes no IPv6 address.
        entry = (
            ""
            if spelling.startswith("[")
            else rf" \(if the host is yours: scrape\.allow_hosts: \['\S+:{host}'\]\)"
        )
        assert re.search(f" is not a public address{entry}\n$", answer.decode())
    assert [each.port for each in proxy.refusals] == [host, host]


def test_allowed_host_is_reached_on_its_port_only(host):
    with Proxy(Network(allowed=frozenset({f"127.0.0.1:{host}"}))) as proxy:
        assert ask(proxy, f"http://127.0.0.1:{host}/")[0] == 200
        assert ask(proxy, "http://127.0.0.1:9/")[0] == 403


def test_other_ports_of_a_served_name_are_refused(proxy):
    assert ask(proxy, "http://shop.test:8080/") == (
        403,
        "pixmill: shop.test is not served on port 8080\n",
    )


def test_telemetry_hosts_are_refused_unless_served(proxy):
    assert raw(proxy, b"CONNECT update.googleapis.com:443 HTTP/1.1\r\n\r\n").startswith(
        b"HTTP/1.1 403 "
    )
    assert list(proxy.refusals) == [
        Refusal(
            "update.googleapis.com", 443, "update.googleapis.com is a telemetry host of browsers"
        )
    ]
    assert ask(proxy, "http://update.googleapis.com/")[0] == 200


def test_unknown_host_is_a_bad_gateway(proxy):
    assert ask(proxy, "http://nowhere.invalid/") == (
        502,
        "pixmill: nowhere.invalid cannot be resolved\n",
    )


def test_closed_port_is_a_bad_gateway(proxy):
    with Proxy(Network(served={"shop.test:80": unused_port()})) as proxy:
        assert ask(proxy, "http://shop.test/")[0] == 502


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n", 400),
        (b"GET https://shop.test/ HTTP/1.1\r\n\r\n", 400),
        (b"GET file:///etc/passwd HTTP/1.1\r\n\r\n", 400),
        (b"GET ftp://shop.test/ HTTP/1.1\r\n\r\n", 400),
        (b"GET http:///nowhere HTTP/1.1\r\n\r\n", 400),
        (b"GET http://shop.test:99999/ HTTP/1.1\r\n\r\n", 400),
        (b"GET http://shop.test:0/ HTTP/1.1\r\n\r\n", 400),
        (b"GET http://shop.test/ HTTP/2\r\n\r\n", 400),
        (b"CONNECT shop.test HTTP/1.1\r\n\r\n", 400),
        (b"CONNECT ..:80 HTTP/1.1\r\n\r\n", 400),
        (b"GET http://shop.test/ HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET http://shop.test/ HTTP/1.1\r\n folded: x\r\n\r\n", 400),
        (b"GET http://shop.test/ HTTP/1.1\r\na: b\nc: d\r\n\r\n", 400),
        (b"POST http://shop.test/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST http://shop.test/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"POST http://shop.test/ HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET http://shop.test/ HTTP/1.1\r\nx: " + b"y" * 70_000 + b"\r\n\r\n", 431),
        (b"\x00" * 200_000, 431),
    ],
)  # fmt: skip
def test_invalid_requests_are_answered_and_affect_no_others(proxy, request_bytes, status):
    with connected(proxy) as client, contextlib.suppress(OSError):
        client.sendall(request_bytes)
        assert client.recv(12) in (f"HTTP/1.1 {status}".encode(), b"")
    assert ask(proxy, "http://shop.test/")[0] == 200


def test_lifetime_of_a_tunnel_is_limited(host, monkeypatch):
    monkeypatch.setattr(module, "_MAX_LIFETIME_SECONDS", 0.5)
    with (
        socket.create_server(("127.0.0.1", 0)) as sink,
        Proxy(Network(served={"sink.test:443": sink.getsockname()[1]})) as proxy,
        connected(proxy) as client,
    ):
        client.sendall(b"CONNECT sink.test:443 HTTP/1.1\r\n\r\n")
        started = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - started < 30:
                client.sendall(b"x")
                time.sleep(0.02)
        assert time.monotonic() - started < 30


def test_request_target_is_normalised(host):
    with Proxy(Network(served={"shop.test:81": host})) as proxy:
        answer = raw(proxy, b"GET HTTP://Shop.Test.:81?q=%C3%A4 HTTP/1.1\r\n\r\n")
    assert b"GET /?q=%C3%A4 HTTP/1.1\nHost: Shop.Test.:81\n" in answer


def answered(response):
    """Return what a client receives for a host's response."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            with server.accept()[0] as client:
                client.recv(65536)
                client.sendall(response)

        thread = threading.Thread(target=answer)
        thread.start()
        with Proxy(Network(served={"host.test:80": server.getsockname()[1]})) as proxy:
            received = raw(proxy, b"GET http://host.test/ HTTP/1.1\r\n\r\n")
        thread.join()
    return received


def test_interim_responses_are_skipped():
    interim = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
    final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nKeep-Alive: x\r\n\r\n0\r\n\r\n"
    expected = (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n"
    )
    assert answered(interim + final) == expected


@pytest.mark.parametrize(
    "response",
    [
        b"220 mail ready\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n",
    ],
)
def test_invalid_response_is_a_bad_gateway(response):
    assert answered(response).endswith(b"\r\n\r\npixmill: the host does not speak HTTP/1\n")


def test_connections_accepted_on_close_are_closed(recwarn):
    """Unclosed connections cause a ResourceWarning when they are garbage-collected."""
    connections = []
    stopped = threading.Event()

    def connect_repeatedly(port):
        with contextlib.suppress(OSError):
            while not stopped.is_set():
                connections.append(socket.create_connection(("127.0.0.1", port), 1))

    with Proxy() as proxy:
        port = int(proxy.url.rpartition(":")[2])
        threads = [threading.Thread(target=connect_repeatedly, args=(port,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(0.02)
    stopped.set()
    for thread in threads:
        thread.join()
    for connection in connections:
        connection.close()
    gc.collect()
    assert not [str(each.message) for each in recwarn.list]
