"""What a request must bring along: the right name, origin, key and size."""

import contextlib
import socket

import pytest

from tests.serve.conftest import Client, b64, picture

pytestmark = pytest.mark.linux


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "[::2]:80"])
def test_names_of_others_are_refused(client: Client, host: str) -> None:
    assert client.get("/v1/model", Host=host).is_problem(421)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1", "LOCALHOST", "[::1]:8000"])
def test_names_of_this_machine_are_accepted(client: Client, host: str) -> None:
    assert client.get("/v1/model", Host=host).status == 200


def test_pages_of_others_may_not_send_anything(client: Client) -> None:
    others = [f"http://127.0.0.1:{client.port + 1}", "http://127.0.0.1", f"https://127.0.0.1:{client.port}"]
    for origin in ("https://evil.example", "null", "http://127.0.0.1.evil.example", "http://[", "x", *others):
        assert client.post("/v1/predict", picture(), "image/png", Origin=origin).is_problem(403)
    own = f"http://127.0.0.1:{client.port}"
    assert client.post("/v1/predict", picture(), "image/png", Origin=own).status == 200


@pytest.mark.parametrize("key", ["first", "second key", "third", "fourth"])
def test_each_key_opens_also_as_a_password(locked: Client, key: str) -> None:
    assert locked.get("/v1/model", Authorization=f"Bearer {key}").status == 200
    assert locked.get("/v1/model", Authorization=f"Basic {b64(f'anyone:{key}'.encode())}").status == 200


@pytest.mark.parametrize("given", ["", "Bearer ", "Bearer firs", "Bearer first2", "Basic first", "first"])
def test_nothing_else_opens(locked: Client, given: str) -> None:
    for path in ("/v1/model", "/v1/examples"):
        answer = locked.get(path, Authorization=given)
        assert answer.is_problem(401)
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert locked.post_json("/invocations", {}, Authorization=given).is_problem(401)


@pytest.mark.parametrize("given", ["first:anyone", "first", ":first:", "a:", ""])
def test_a_user_is_none(locked: Client, given: str) -> None:
    assert locked.get("/v1/model", Authorization=f"Basic {b64(given.encode())}").is_problem(401)


def test_what_tells_nothing_needs_no_key(locked: Client) -> None:
    for path in ("/", "/docs", "/openapi.json", "/healthz", "/readyz", "/metrics", "/static/page.js"):
        assert locked.get(path).status == 200


def test_what_is_off_is_refused(locked: Client) -> None:
    key = {"Authorization": "Bearer first"}
    urls = locked.post_json("/v1/predict", {"images": [{"url": "http://a.example/"}]}, **key)
    assert urls.is_problem(403)
    assert locked.post("/v1/feedback", b"", "multipart/form-data", **key).is_problem(404)
    facts = locked.get("/v1/model", **key).json
    assert (facts["feedback"], facts["urls"]) == (False, False)


def test_a_compressed_body_is_refused_and_says_so(client: Client) -> None:
    answer = client.post("/v1/predict", picture(), "image/png", **{"Content-Encoding": "gzip"})
    assert answer.is_problem(415)
    assert answer.json["detail"] == "Send the body uncompressed."


def told(port: int, *parts: bytes) -> bytes:
    """Send parts until the server ends the connection, and return its answer."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        with contextlib.suppress(ConnectionError):
            for part in parts:
                connection.sendall(part)
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while data := connection.recv(65536):
                answer += data
    return answer


START, FIELD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n", b"a" * 1000 + b": " + b"b" * 996 + b"\r\n"
CHUNKED = (
    b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
)


@pytest.mark.parametrize(
    "parts",
    [
        [START + FIELD * 33 + b"\r\n"],
        [START, *[FIELD] * 30_000],
        [START, b"a: ", *[b"b" * 65536] * 1000],
        [b"GET /", *[b"b" * 65536] * 1000],
        [CHUNKED, b"1\r\nx\r\n0\r\n", *[FIELD] * 30_000],
        [CHUNKED, b"1;", *[b"b" * 65536] * 1000],
        [CHUNKED, *[b"1\r\nx\r\n" * 10_000] * 2000],
    ],
    ids=["head", "fields", "field", "path", "trailers", "extension", "chunks"],
)
def test_a_head_above_64_kib_or_a_body_in_chunks_is_refused_and_cheap(client: Client, parts: list[bytes]) -> None:
    before, memory = client.process.cpu_times().user, client.process.memory_info().rss
    # Where the client still sends, the connection may be reset before it reads the answer.
    assert told(client.port, *parts)[:12] in (b"HTTP/1.1 431", b"HTTP/1.1 400", b"HTTP/1.1 411", b"")
    assert client.process.memory_info().rss - memory < 32 << 20
    assert client.process.cpu_times().user - before < 2
    assert client.get("/healthz").status == 200


def test_what_a_refusal_says_of_sizes(client: Client) -> None:
    assert b"The request line and its headers may have 65,536 bytes" in told(client.port, START + FIELD * 33 + b"\r\n")
    assert b"Send the size of the body as Content-Length." in told(client.port, CHUNKED)
