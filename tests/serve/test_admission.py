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
def test_each_key_opens(locked: Client, key: str) -> None:
    assert locked.get("/v1/model", Authorization=f"Bearer {key}").status == 200


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer ", "Bearer firs", "Bearer first2", "Basic first", "first"])
def test_nothing_else_opens(locked: Client, given: str) -> None:
    for path in ("/v1/model", "/v1/examples"):
        answer = locked.get(path, Authorization=given)
        assert answer.is_problem(401)
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert locked.post_json("/invocations", {}, Authorization=given).is_problem(401)


OPEN = ["/", "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/ping", "/health", "/version"]
OPEN += ["/v2/health/live", "/v2/health/ready", "/static/page.js", "/swagger/swagger-ui.css"]


def test_what_tells_nothing_needs_no_key(locked: Client) -> None:
    for path in OPEN:
        assert locked.get(path).status == 200


def test_everything_else_needs_one_and_the_description_says_so(locked: Client) -> None:
    described = locked.get("/openapi.json").json["paths"]
    assert {"/v2", "/v2/models/{name}/infer", "/v1/models/{name}:predict", "/v1/image-classification"} < set(described)
    for path, methods in described.items():
        for method, operation in methods.items():
            answer = locked.ask(method.upper(), path.format(name="default", id="x"), b"", {})
            assert (answer.status == 401) == (path not in OPEN) == ("security" in operation), path
    for path in OPEN:
        assert locked.ask("POST", path, b"", {}).is_problem(401)
    for path in ("/nowhere", "/v2/health/live/", "/V1/model", "//v1/model", "/static", "/v2/health/../models/default"):
        assert locked.get(path).is_problem(401)


@pytest.mark.parametrize("given", ["anyone:first", ":second key", "a:third"])
def test_a_password_is_a_key_for_clients_that_know_nothing_else(locked: Client, given: str) -> None:
    assert locked.get("/v1/model", Authorization=f"Basic {b64(given.encode())}").status == 200


@pytest.mark.parametrize("given", ["first:anyone", "first", ":first:", "a:", ""])
def test_a_user_is_none(locked: Client, given: str) -> None:
    assert locked.get("/v1/model", Authorization=f"Basic {b64(given.encode())}").is_problem(401)


def test_a_compressed_body_is_refused_and_says_so(client: Client) -> None:
    answer = client.post("/v1/predict", picture(), "image/png", **{"Content-Encoding": "gzip"})
    assert answer.is_problem(415)
    assert answer.json["detail"] == "Send the body uncompressed."


def test_what_is_off_is_refused(locked: Client) -> None:
    key = {"Authorization": "Bearer first"}
    urls = locked.post_json("/v1/predict", {"images": [{"url": "http://a.example/"}]}, **key)
    assert urls.is_problem(403)
    assert locked.post("/v1/feedback", b"", "multipart/form-data", **key).is_problem(404)
    facts = locked.get("/v1/model", **key).json
    assert (facts["feedback"], facts["urls"]) == (False, False)


def told(port: int, *parts: bytes) -> bytes:
    """Send parts until the server ends the connection, and return its answer."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        with contextlib.suppress(ConnectionError):
            for part in parts:
                connection.sendall(part)
        with contextlib.suppress(ConnectionError):
            while data := connection.recv(65536):
                answer += data
    return answer


START, FIELD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n", b"a" * 1000 + b": " + b"b" * 996 + b"\r\n"
CHUNKED = (
    b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def test_a_body_without_a_length_is_counted_while_it_comes(client: Client) -> None:
    chunk = b"10000\r\n" + bytes(1 << 16) + b"\r\n"
    assert told(client.port, CHUNKED, *[chunk] * (20 * 16 + 1), b"0\r\n\r\n").startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "parts",
    [
        [START + FIELD * 33 + b"\r\n"],
        [START, *[FIELD] * 30_000],
        [START, b"a: ", *[b"b" * 65536] * 1000],
        [b"GET /", *[b"b" * 65536] * 1000],
        [CHUNKED, b"1\r\nx\r\n0\r\n", *[FIELD] * 30_000],
        [CHUNKED, b"1;", *[b"b" * 65536] * 1000],
    ],
    ids=["head", "fields", "field", "path", "trailers", "extension"],
)
def test_a_head_above_64_kib_is_refused_and_takes_no_memory(client: Client, parts: list[bytes]) -> None:
    before = client.process.memory_info().rss
    answer = told(client.port, *parts)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"The request line and its headers may have 65,536 bytes together." in answer
    assert b"\r\nconnection: close\r\n" in answer
    assert client.process.memory_info().rss - before < 32 << 20


def test_a_body_in_tiny_chunks_is_refused(client: Client) -> None:
    before = client.process.cpu_times().user
    assert told(client.port, CHUNKED, *[b"1\r\nx\r\n" * 10_000] * 2000).startswith(b"HTTP/1.1 413 ")
    assert client.process.cpu_times().user - before < 2


def test_a_head_below_64_kib_is_accepted_also_behind_another(client: Client) -> None:
    asked = START + FIELD * 32 + b"\r\n"
    last = START + b"Connection: close\r\n" + FIELD * 32 + b"\r\n"
    assert told(client.port, asked * 3 + last).count(b"HTTP/1.1 200 ") == 4


def test_what_is_not_http_is_a_problem_and_the_end(client: Client) -> None:
    answer = told(client.port, b"\x16\x03\x01 hello\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer


def test_answers_carry_the_headers_that_browsers_obey(client: Client) -> None:
    for answer in (client.get("/"), client.get("/nowhere"), client.get("/healthz", Host="evil.example")):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Server"] is None
