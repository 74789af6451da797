"""Access control and shutdown of a private server."""

import asyncio
import contextlib
import re
import signal
import socket
import subprocess
import sys
import time

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from pixmill.core.errors import PixmillError
from pixmill.local.bounded_request import HEAD_BYTES
from pixmill.local.private_server import PrivateServer, expect_json, make_app
from tests.visitor import Visitor

SECRET = "the page"


async def page(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{SECRET} {request.url_for('echo').path}")


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


async def act(request: Request) -> PlainTextResponse:
    expect_json(request)
    return await echo(request)


def slow(request: Request) -> PlainTextResponse:
    time.sleep(float(request.query_params["seconds"]))
    return PlainTextResponse("awake")


async def events(request: Request) -> StreamingResponse:
    async def stream():
        while True:
            yield b"data: x\n\n"
            await asyncio.sleep(0.05)

    return StreamingResponse(stream(), media_type="text/event-stream")


def application():
    return make_app(
        [
            Route("/", page),
            Route("/echo", echo, methods=["GET", "POST", "PUT"], name="echo"),
            Route("/act", act, methods=["POST"]),
            Route("/slow", slow),
            Route("/events", events),
        ]
    )


def test_only_uploads_may_be_large():
    with PrivateServer(application(), command="x", max_bytes=4 << 20) as running:
        visitor = Visitor(running.new_address())
        body = bytes(2 << 20)
        assert visitor.ask("echo", "POST", body, Content_Type="application/octet-stream")[0] == 200
        for size, status in ((1 << 20, 200), (2 << 20, 413)):
            assert (
                visitor.ask("act", "POST", body[:size], Content_Type="application/json")[0]
                == status
            )


@pytest.fixture(scope="module")
def server():
    with PrivateServer(application(), command="pixmill look") as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    return Visitor(server.new_address())


@pytest.fixture
def quiet(capfd, caplog):
    """Check that the server prints and logs nothing."""
    yield
    assert capfd.readouterr().err == ""
    assert [record for record in caplog.records if record.levelname != "DEBUG"] == []


def status_of(answer):
    """Return the status of an answer that must not contain the page."""
    status, _, body = answer
    assert SECRET.encode() not in body
    return status


def test_token_sets_a_restricted_cookie(server, client):
    assert client.attributes == f"HttpOnly; Path={client.key}; SameSite=strict"
    status, headers, body = client.ask("")
    assert (status, body.decode()) == (200, f"{SECRET} {client.key}echo")
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert "Set-Cookie" not in headers
    assert "Server" not in headers


def test_only_the_token_opens_the_page(server, client):
    entrance = server.new_address().removeprefix(f"http://{client.host}")
    assert client.key.strip("/") not in entrance
    for other in (
        entrance + "x",
        entrance[:-1],
        "/?token=",
        "/",
        f"/x{entrance}",
        f"{entrance[:-1]}%ff",
    ):
        status, headers, body = client.ask(other, within=False, Cookie=None)
        assert (status, "Set-Cookie" in headers) == (403, False)
        assert body == b"Open this page by the address that pixmill look prints.\n"
    assert status_of(client.ask(entrance, "HEAD", within=False)) == 403
    assert status_of(client.ask(entrance, within=False, Host="evil.test")) == 421
    # A link on another site, such as a web-based terminal.
    status, headers, body = client.ask(
        entrance, within=False, Cookie=None, Sec_Fetch_Site="cross-site"
    )
    assert (status, client.key.encode() in body, headers["Cache-Control"]) == (
        200,
        True,
        "no-store",
    )


@pytest.mark.parametrize(
    "cookie", [None, "{name}=", "other={value}", "{name}={short}", "{name}={value}x"]
)
def test_requests_without_the_cookie_are_refused(client, cookie):
    name, _, value = client.cookie.partition("=")
    given = None if cookie is None else cookie.format(name=name, value=value, short=value[:-1])
    for path in ("", "echo", "nowhere"):
        assert status_of(client.ask(path, Cookie=given)) == 403
        assert status_of(client.ask(path, "POST", b"x", Cookie=given)) == 403


def test_cookies_of_other_servers_are_ignored(client):
    with PrivateServer(application(), command="x") as other:
        theirs = Visitor(other.new_address()).cookie
    for cookie in (
        f"a=b; {client.cookie}",
        f"{client.cookie}; {theirs}",
        f"{theirs};{client.cookie}",
    ):
        assert client.ask("", Cookie=cookie)[0] == 200


@pytest.mark.parametrize(
    "path", ["/", "/x/", "/{key}/", "//{key}/", "/{key}x/", "/favicon.ico", "/%00/"]
)
def test_requests_without_the_secret_path_are_refused(client, path):
    path = path.format(key=client.key.strip("/").swapcase())
    for more in ("", "echo"):
        assert status_of(client.ask(path + more, within=False)) == 403
        assert status_of(client.ask(path + more, "POST", b"x", within=False)) == 403


@pytest.mark.parametrize(
    "host", ["evil.test", "127.0.0.1:1", "evil.test:{port}", "127.0.0.1:{port}.evil.test", ""]
)
def test_other_host_names_are_refused(client, host):
    given = host.format(port=client.port)
    assert (
        status_of(client.ask("echo", Host=given))
        == status_of(client.ask("echo", "POST", b"x", Host=given))
        == 421
    )


@pytest.mark.parametrize(
    "origin", ["null", "http://evil.test", "http://127.0.0.1:1", "https://{host}", ""]
)
def test_requests_from_other_origins_are_refused(client, origin):
    given = origin.format(host=client.host)
    for method, body in (("GET", None), ("POST", b"x"), ("PUT", b"x"), ("OPTIONS", b"x")):
        assert status_of(client.ask("echo", method, body, Origin=given)) == 403


def test_sec_fetch_site_is_checked(client):
    for site in ("cross-site", "same-site", "unknown", ""):
        assert status_of(client.ask("", Sec_Fetch_Site=site)) == 403
        assert status_of(client.ask("echo", "POST", b"x", Sec_Fetch_Site=site)) == 403
    for own in ("same-origin", "none"):
        assert client.ask("", Sec_Fetch_Site=own)[0] == 200


def test_post_requires_an_origin(client):
    assert status_of(client.ask("echo", "POST", b"x", Origin=None)) == 403
    assert client.ask("echo", "POST", b"x")[::2] == (200, b"1")


def test_body_size_is_limited_and_declared(client):
    limit = 1 << 20
    assert client.ask("echo", "POST", b"x" * limit)[::2] == (200, str(limit).encode())
    assert client.ask("echo", "POST", b"x" * (limit + 1))[0] == 413
    chunked = {"Transfer_Encoding": "chunked", "Content_Length": None}
    assert client.ask("echo", "POST", b"1\r\nx\r\n0\r\n\r\n", **chunked)[0] == 411
    assert client.ask("echo", "POST", b"x" * 100_000, Cookie=None)[0] == 403


@pytest.mark.parametrize(
    "head",
    [
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET " + b"x" * (HEAD_BYTES + 1),
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * (HEAD_BYTES // 6) + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET /?token=%ff HTTP/1.1\r\nHost: \xff\r\nCookie: \xff=\xff\r\n\r\n",
    ],
    ids=range(8),
)
@pytest.mark.usefixtures("quiet")
def test_invalid_requests_affect_only_their_connection(client, head):
    with socket.create_connection(("127.0.0.1", client.port), timeout=60) as connection:
        connection.sendall(head)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(1 << 16)
    assert re.match(rb"HTTP/1\.1 4\d\d ", answer)
    assert client.ask("")[0] == 200


def test_listens_on_loopback_only(client):
    others = {
        info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
    } - {"127.0.0.1"}
    for address in [*others, "127.0.0.2"]:
        with pytest.raises(OSError, match=r"refused|timed out|unreachable|assign"):
            socket.create_connection((address, client.port), timeout=1)


def test_taken_port_is_reported(client):
    with pytest.raises(PixmillError, match=f"pixmill look cannot use port {client.port}"):
        PrivateServer(application(), command="pixmill look", port=client.port)


def head_of(request, client, more=""):
    return (
        f"{request.format(client.key)} HTTP/1.1\r\nHost: {client.host}\r\nCookie: "
        f"{client.cookie}\r\n{more}"
    ).encode()


def half(client):
    return f"Origin: http://{client.host}\r\nContent-Length: 9\r\n\r\nx"


PROGRAM = """
from tests.local.test_private_server import application
from pixmill.local.private_server import PrivateServer, wait_for_end

try:
    with PrivateServer(application(), command="pixmill look") as server:
        print(server.new_address(), flush=True)
        wait_for_end()
except KeyboardInterrupt:
    print("ended", flush=True)
"""


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_end_the_server_despite_busy_clients(repository, kind):
    words = [sys.executable, "-c", PROGRAM]
    with (
        subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=repository
        ) as process,
        contextlib.ExitStack() as stack,
    ):
        stack.callback(process.kill)
        address = process.stdout.readline().strip()
        client = Visitor(address)
        for request, more in (
            ("GET {}events", "\r\n"),
            ("GET {}slow?seconds=0.6", "\r\n"),
            ("POST {}echo", half(client)),
        ):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", client.port)))
            connection.sendall(head_of(request, client, more))
            if "events" in request:
                assert connection.recv(9) == b"HTTP/1.1 "
        began = time.monotonic()
        process.send_signal(kind)
        outputs = process.communicate(timeout=60)
    assert time.monotonic() - began < 10
    assert (process.returncode, *outputs) == (0, "ended\n", "")
