"""A private server answers the browser that entered by its ticket, and refuses everybody else."""

import asyncio
import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from pixmill.core.errors import PixmillError
from pixmill.web.address_file import ask_running
from pixmill.web.private_server import PrivateServer, make_app
from tests.visitor import Visitor

SECRET = "the page"


async def page(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{SECRET} {request.url_for('echo').path}")


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


def slow(request: Request) -> PlainTextResponse:
    time.sleep(float(request.query_params["seconds"]))
    return PlainTextResponse("awake")


async def events(request: Request) -> StreamingResponse:
    async def tell():
        while True:
            yield b"data: x\n\n"
            await asyncio.sleep(0.05)

    return StreamingResponse(tell(), media_type="text/event-stream")


def application():
    return make_app(
        [
            Route("/", page),
            Route("/echo", echo, methods=["GET", "POST", "PUT"], name="echo"),
            Route("/slow", slow),
            Route("/events", events),
        ]
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
    """What the test does must be no news to the person."""
    yield
    assert capfd.readouterr().err == ""
    assert [record for record in caplog.records if record.levelname != "DEBUG"] == []


def said(answer):
    status, _, body = answer
    assert SECRET.encode() not in body
    return status


def test_a_ticket_sets_a_cookie_that_only_this_page_gets(server, client):
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


def test_a_ticket_is_good_once(server, client):
    ticket = server.new_address().removeprefix(f"http://{client.host}")
    assert client.key.strip("/") not in ticket
    for other in (ticket + "x", ticket[:-1], "/?ticket=", "/?ticket", "/", f"/x{ticket}"):
        assert said(client.ask(other, within=False)) == 403
    assert said(client.ask(ticket, "HEAD", within=False)) == 403
    assert said(client.ask(ticket, within=False, Host="evil.test")) == 421
    # A link on a page of another site, such as a terminal in a browser.
    status, headers, body = client.ask(ticket, within=False, Cookie=None, Sec_Fetch_Site="cross-site")
    assert (status, client.key.encode() in body) == (200, True)
    assert headers["Cache-Control"] == "no-store"
    status, headers, body = client.ask(ticket, within=False, Cookie=None)
    assert (status, "Set-Cookie" in headers) == (403, False)
    assert body == b"This page opens by an address that works once. For a new one, run again: pixmill look\n"


def test_only_the_newest_unused_tickets_are_good(server):
    addresses = [server.new_address() for _ in range(17)]
    with pytest.raises(AssertionError, match="works once"):
        Visitor(addresses[0])
    assert Visitor(addresses[1]).key == Visitor(addresses[-1]).key


@pytest.mark.parametrize(
    "cookie", [None, "", "pixmill", "pixmill=", "pixmill=x", "other={value}", "pixmill={short}", "pixmill={value}x"]
)
def test_without_the_cookie_there_is_nothing(client, cookie):
    value = client.cookie.partition("=")[2]
    given = None if cookie is None else cookie.format(value=value, short=value[:-1])
    for path in ("", "echo", "nowhere"):
        assert said(client.ask(path, Cookie=given)) == 403
        assert said(client.ask(path, "POST", b"x", Cookie=given)) == 403


def test_cookies_of_other_servers_on_this_machine_do_no_harm(client):
    for cookie in (f"a=b; {client.cookie}", f"{client.cookie}; pixmill=theirs", f"pixmill=theirs;{client.cookie}"):
        assert client.ask("", Cookie=cookie)[0] == 200


@pytest.mark.parametrize(
    "path",
    ["/", "/x/", "/{key}", "/./{key}/", "//{key}/", "/{upper}/", "/{key}x/", "/{short}/", "/favicon.ico", "/%00/"],
)
def test_without_the_path_there_is_nothing(client, path):
    key = client.key.strip("/")
    path = path.format(key=key, upper=key.swapcase(), short=key[:-1])
    for more in ("", "echo"):
        assert said(client.ask(path + more, within=False)) == 403
        assert said(client.ask(path + more, "POST", b"x", within=False)) == 403


@pytest.mark.parametrize(
    "path", ["nowhere", "%2e%2e/echo", "../echo", "é".encode().hex() * 9000, "%ff%fe", "a" * 50_000]
)
def test_odd_and_long_paths_lead_nowhere(client, path):
    assert client.ask(path)[0] in (404, 431)


@pytest.mark.parametrize(
    "host",
    ["evil.test", "127.0.0.1", "127.0.0.1:1", "evil.test:{port}", "127.0.0.1:{port}.evil.test", "", None, "a b"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_name_of_another_host_is_refused(client, host, method):
    given = None if host is None else host.format(port=client.port)
    assert said(client.ask("echo", method, None if method == "GET" else b"x", Host=given)) in (400, 421)


def test_two_hosts_in_one_request_are_refused(client):
    head = f"GET {client.key} HTTP/1.1\r\nCookie: {client.cookie}\r\nHost: {client.host}\r\nHost: evil.test\r\n\r\n"
    with socket.create_connection(("127.0.0.1", client.port), timeout=60) as connection:
        connection.sendall(head.encode())
        assert connection.recv(99).startswith(b"HTTP/1.1 421 ")


def test_localhost_is_this_host(client):
    host = client.host.replace("127.0.0.1", "localhost")
    assert client.ask("", Host=host)[0] == 200
    assert client.ask("echo", "POST", b"x", Host=host, Origin=f"http://{host}")[0] == 200
    assert said(client.ask("echo", "POST", b"x", Host=host)) == 403


ORIGINS = ["null", "http://evil.test", "http://127.0.0.1", "http://127.0.0.1:1", "https://{host}", "http://{host}/", ""]


@pytest.mark.parametrize("origin", ORIGINS)
def test_requests_of_other_pages_are_refused(client, origin):
    given = origin.format(host=client.host)
    for method, body in (("GET", None), ("POST", b"x"), ("PUT", b"x"), ("OPTIONS", b"x")):
        assert said(client.ask("echo", method, body, Origin=given)) == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "unknown", ""])
def test_a_browser_says_whose_page_asks(client, site):
    assert said(client.ask("", Sec_Fetch_Site=site)) == 403
    assert said(client.ask("echo", "POST", b"x", Sec_Fetch_Site=site)) == 403
    for own in ("same-origin", "none"):
        assert client.ask("", Sec_Fetch_Site=own)[0] == 200


def test_what_changes_something_says_whence_it_comes(client):
    assert said(client.ask("echo", "POST", b"x", Origin=None)) == 403
    assert client.ask("echo", "POST", b"x")[::2] == (200, b"1")


def test_a_body_is_bounded(client):
    most = 1 << 20
    assert client.ask("echo", "POST", b"x" * most)[::2] == (200, str(most).encode())
    assert client.ask("echo", "POST", b"x" * (most + 1))[0] == 413
    half = f"{most // 2:x}\r\n".encode() + b"x" * (most // 2) + b"\r\n"
    chunked = {"Transfer_Encoding": "chunked", "Content_Length": None}
    assert client.ask("echo", "POST", 2 * half + b"0\r\n\r\n", **chunked)[::2] == (200, str(most).encode())
    assert client.ask("echo", "POST", 3 * half + b"0\r\n\r\n", **chunked)[0] == 413
    # Of those who may not enter, nothing is kept.
    assert client.ask("echo", "POST", b"x" * 100_000, Cookie=None)[0] == 403


@pytest.mark.parametrize(
    "head",
    [
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET " + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET /\xff/ HTTP/1.1\r\nHost: \xff\r\n\r\n",
        b"GET /?ticket=\xff%ff HTTP/1.1\r\nHost: \xff\r\nCookie: \xff=\xff\r\n\r\n",
    ],
)
@pytest.mark.usefixtures("quiet")
def test_nonsense_ends_only_its_own_connection(client, head):
    with socket.create_connection(("127.0.0.1", client.port), timeout=60) as connection:
        connection.sendall(head)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(1 << 16)
    assert re.match(rb"$|HTTP/1\.1 4\d\d ", answer)
    assert client.ask("")[0] == 200


def test_only_this_machine_can_connect(client):
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}
    for address in [*others, "127.0.0.2"]:
        with pytest.raises(OSError, match=r"refused|timed out|unreachable|assign"):
            socket.create_connection((address, client.port), timeout=1)


def test_a_port_that_is_taken_is_told(client):
    with pytest.raises(PixmillError, match=f"pixmill look cannot use port {client.port}"):
        PrivateServer(application(), command="pixmill look", port=client.port)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_server_that_does_not_start_is_a_defect(tmp_path):
    file = tmp_path / "address.json"
    server = PrivateServer(application(), command="x", address_file=file)
    server._listener.close()
    with pytest.raises(RuntimeError, match="did not start"):
        server.__enter__()
    assert not file.exists()


def test_slow_clients_and_slow_answers_keep_nobody_waiting(client):
    with contextlib.ExitStack() as stack:
        for number in range(50):  # Half a head each, then half a body.
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", client.port), timeout=60))
            head = f"POST {client.key}echo HTTP/1.1\r\nHost: {client.host}\r\nCookie: {client.cookie}\r\n"
            rest = f"Origin: http://{client.host}\r\nContent-Length: 9\r\n\r\nx" if number % 2 else ""
            connection.sendall((head + rest).encode())
        threads = [threading.Thread(target=client.ask, args=["slow?seconds=5"]) for _ in range(6)]
        for thread in threads:
            thread.start()
        assert [client.ask("")[0] for _ in range(5)] == [200] * 5
        assert all(thread.is_alive() for thread in threads)
        for thread in threads:
            thread.join()


@pytest.mark.usefixtures("quiet")
def test_a_client_that_leaves_early_is_no_news(client):
    who = f"Host: {client.host}\r\nCookie: {client.cookie}\r\n"
    body = f"Origin: http://{client.host}\r\nContent-Length: 9\r\n"
    for request, rest in (("GET {}events", ""), ("POST {}echo", body)):
        with socket.create_connection(("127.0.0.1", client.port), timeout=60) as connection:
            connection.sendall(f"{request.format(client.key)} HTTP/1.1\r\n{who}{rest}\r\n".encode())
            if not rest:
                connection.recv(9)
    assert client.ask("")[0] == 200


@pytest.mark.usefixtures("quiet")
def test_it_ends_soon_whatever_clients_do():
    with contextlib.ExitStack() as stack:
        with PrivateServer(application(), command="x") as server:
            client = Visitor(server.new_address())
            for request in ("GET {}events", "GET {}slow?seconds=0.6", "POST {}echo"):
                connection = stack.enter_context(socket.create_connection(("127.0.0.1", client.port), timeout=60))
                head = f"{request.format(client.key)} HTTP/1.1\r\nHost: {client.host}\r\nCookie: {client.cookie}\r\n"
                rest = f"Origin: http://{client.host}\r\nContent-Length: 9\r\n\r\nx" if "POST" in head else "\r\n"
                connection.sendall((head + rest).encode())
            stack.enter_context(socket.create_connection(("127.0.0.1", client.port)))
            time.sleep(0.2)
            began = time.monotonic()
        assert time.monotonic() - began < 10  # They would hold it for ever.
    with pytest.raises(ConnectionRefusedError):
        client.ask("")


PROGRAM = """
import sys
from pathlib import Path
from tests.web.test_private_server import application
from pixmill.web.private_server import PrivateServer, wait_for_end

file = Path(sys.argv[1])
try:
    with PrivateServer(application(), command="pixmill look", address_file=file, about={"of": "x"}) as server:
        print(server.new_address(), flush=True)
        wait_for_end()
except KeyboardInterrupt:
    print("ended", flush=True)
"""


@pytest.fixture
def start(tmp_path, repository):
    """Start a program that serves, and return its process and its address."""
    with contextlib.ExitStack() as stack:

        def begin():
            words = [sys.executable, "-c", PROGRAM, str(tmp_path / "address.json")]
            process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=repository)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process, process.stdout.readline().strip()

        yield begin


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_soon_and_nothing_is_left(start, tmp_path, kind):
    process, address = start()
    client = Visitor(address)
    with socket.create_connection(("127.0.0.1", client.port)) as stream:
        stream.sendall(
            f"GET {client.key}events HTTP/1.1\r\nHost: {client.host}\r\nCookie: {client.cookie}\r\n\r\n".encode()
        )
        assert stream.recv(9) == b"HTTP/1.1 "
        began = time.monotonic()
        process.send_signal(kind)
        if kind == signal.SIGHUP:
            time.sleep(0.05)
            process.send_signal(kind)
        told = process.communicate(timeout=60)
    assert time.monotonic() - began < 10
    assert (process.returncode, *told) == (0, "ended\n", "")
    assert [*tmp_path.iterdir()] == []


def test_a_second_start_finds_the_first_and_not_a_dead_one(start, tmp_path):
    process, address = start()
    file, about = tmp_path / "address.json", {"of": "x"}
    assert file.stat().st_mode & 0o777 == 0o600
    first, second = Visitor(address), Visitor(ask_running(file, about))
    assert (first.key, first.cookie) == (second.key, second.cookie)
    assert ask_running(file, {"of": "y"}) is None
    process.kill()
    process.wait()
    assert file.exists()
    assert ask_running(file, about) is None
    _, address = start()
    assert Visitor(ask_running(file, about)).key == Visitor(address).key != first.key


def test_a_server_takes_away_its_own_address_only(start, tmp_path):
    file = tmp_path / "address.json"
    process, _ = start()
    start()
    newer = file.read_bytes()
    process.terminate()
    process.wait(timeout=60)
    assert file.read_bytes() == newer


def test_tickets_are_made_for_the_secret_alone(start, tmp_path):
    _, address = start()
    client = Visitor(address)
    secret = json.loads((tmp_path / "address.json").read_text())["secret"]
    for given in (None, "", "Bearer", "Bearer ", f"Bearer {secret}x", f"Bearer {secret[:-1]}", secret):
        assert client.ask("/ticket", "POST", within=False, Authorization=given)[0] == 403
    good = {"within": False, "Authorization": f"Bearer {secret}"}
    assert client.ask("/ticket", **good)[0] == 403
    assert client.ask("/ticket", "POST", **good, Host="evil.test")[0] == 421
    assert client.ask("/ticket", "POST", **good, Origin=f"http://{client.host}")[0] == 403
    assert client.ask("/ticket", "POST", **good, Sec_Fetch_Site="same-site")[0] == 403
    status, _, body = client.ask("/ticket", "POST", **good, Cookie=None)
    assert (status, Visitor(body.decode().strip()).key) == (200, client.key)
