"""The page answers its own browser, and refuses everybody else."""

import http.client
import json
import re
import socket
import threading

import pytest

from pixmill.compute import RowLimits
from pixmill.core.errors import PixmillError
from pixmill.review.doubts import find_doubts
from pixmill.review.page_server import Server
from pixmill.review.preview import ImageFile, Previews
from pixmill.review.review_session import Session
from tests.review.conftest import CLASSES, Project


class Client:
    """Ask a server for things as its page would, but for what a test says."""

    def __init__(self, server):
        self.host, self.key = re.fullmatch("http://([^/]+)(/.+/)", server.address).groups()

    def ask(self, path, method="GET", body=None, *, within=True, **headers):
        """Return status, headers and body; a header of ``None`` is left out."""
        connection = http.client.HTTPConnection("127.0.0.1", int(self.host.rpartition(":")[2]), timeout=60)
        given = {"Host": self.host, **{name.replace("_", "-"): value for name, value in headers.items()}}
        connection.putrequest(method, self.key + path if within else path, skip_host=True)
        if body is not None:
            given = {
                "Origin": f"http://{self.host}",
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
                **given,
            }
        for name, value in given.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, answer.headers, content

    def post(self, path, content, **headers):
        status, _, body = self.ask(path, "POST", json.dumps(content).encode(), **headers)
        return status, json.loads(body) if body.startswith(b"{") else body.decode()

    def told(self, path):
        status, _, body = self.ask(path)
        assert status == 200
        return json.loads(body)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("project"))
    names = project.add("coat"), project.add("dress"), project.add("coat", reason="too_small")
    project.link(*names[:2])
    material = project.material()
    session = Session(material, find_doubts(material), project.ledger(material), classes=CLASSES, by="mk")

    def source(name):
        return ImageFile(name, project.root / "artifacts/scrape" / project.rows[name]["path"], 10**6)

    with Previews(source, limits=RowLimits(20, 1 << 30), workers=1) as previews, Server(session, previews) as server:
        yield project, server, names


@pytest.fixture
def project(made):
    made[0].review.unlink(missing_ok=True)
    return made[0]


@pytest.fixture
def client(made, project):
    return Client(made[1])


@pytest.fixture
def names(made):
    return made[2]


def choice(*names, verb="drop", case=0, why="", **more):
    return {"case": case, "why": why, "choices": [{"id": name, "verb": verb, **more} for name in names]}


def test_the_page_comes_with_a_policy_that_lets_nothing_else_in(client):
    status, headers, page = client.ask("")
    assert status == 200
    policy = headers["Content-Security-Policy"]
    nonce = re.search("script-src 'nonce-([^']+)'", policy)[1]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert page.decode().count(f'nonce="{nonce}"') == 2
    assert "NONCE" not in page.decode()
    assert not re.search(r'\son\w+="|style="', page.decode())
    assert nonce not in client.ask("")[1]["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in headers
    for path, kind in (("static/review.css", "text/css"), ("static/review.js", "text/javascript")):
        status, headers, _ = client.ask(path)
        assert (status, headers.get_content_type()) == (200, kind)


def test_cases_and_images_are_told(client, names):
    assert client.told("session")["total"] == 2
    assert {image["id"] for image in client.told("case/0")["images"]} == set(names[:2])
    status, headers, body = client.ask(f"image/{names[2]}")
    assert (status, headers["Content-Type"], body[:3]) == (200, "image/jpeg", b"\xff\xd8\xff")


def test_a_decision_is_written_and_undone(client, project, names):
    status, told = client.post("decide", choice(*names[:2], why='said "no", twice\nmore'))
    assert (status, told["complete"]) == (200, True)
    assert project.lines() == [f'{name},drop,,mk,"said ""no"", twice more"' for name in sorted(names[:2])]
    status, told = client.post("decide", choice(names[2], verb="relabel", case=1, label="shoe"))
    assert (status, told["next"]) == (200, None)
    for _ in range(2):
        assert client.post("undo", {})[0] == 200
    assert project.lines() == []


def test_what_a_person_must_know_is_told(client, project, names):
    project.review.write_text("image,decision,label,by,why\nnonsense\n")
    status, told = client.post("decide", choice(names[0]))
    assert status == 409
    assert told["error"].startswith("review.csv, line 2: ")
    assert told["next"].startswith("edit line 2")
    assert project.lines() == ["nonsense"]
    status, _, body = client.ask("case/0")
    assert (status, "line 2" in json.loads(body)["error"]) == (409, True)


@pytest.mark.parametrize(
    "host",
    ["evil.test", "127.0.0.1", "127.0.0.1:1", "evil.test:{port}", "127.0.0.1:{port}.evil.test", "", None, "a b"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_name_of_another_host_is_refused(client, project, names, host, method):
    port = client.host.rpartition(":")[2]
    body = json.dumps(choice(names[0])).encode() if method == "POST" else None
    status, _, text = client.ask(
        "decide" if body else "case/0", method, body, Host=None if host is None else host.format(port=port)
    )
    assert (status, names[0].encode() in text) == (421, False)
    assert not project.review.exists()


def test_localhost_is_this_host(client, names):
    host = client.host.replace("127.0.0.1", "localhost")
    assert client.ask("case/0", Host=host)[0] == 200
    assert client.post("decide", choice(names[0]), Host=host, Origin=f"http://{host}")[0] == 200
    client.post("undo", {})


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "http://evil.test",
        "http://127.0.0.1",
        "https://{host}",
        "http://{host}.evil.test",
        "http://{host}/",
    ],
)
def test_another_pages_decisions_are_refused(client, project, names, origin):
    given = None if origin is None else origin.format(host=client.host)
    status, _ = client.post("decide", choice(names[0]), Origin=given)
    assert status == 403
    assert client.post("undo", {}, Origin="http://evil.test")[0] == 403
    assert not project.review.exists()


def test_a_form_of_another_page_is_refused(client, project, names):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None):
        assert client.post("decide", choice(names[0]), Content_Type=kind)[0] == 415
    assert not project.review.exists()


@pytest.mark.parametrize(
    "path",
    ["/", "/x/", "/{key}", "/./{key}/", "/{upper}/", "/{key}x/", "/{short}/", "/favicon.ico", "/static/", "/enter/x"],
)
def test_without_the_key_there_is_nothing(client, names, path):
    key = client.key.strip("/")
    path = path.format(key=key, upper=key.swapcase(), short=key[:-1])
    for method, body in (("GET", None), ("POST", json.dumps(choice(names[0])).encode())):
        for more in ("", "case/0", f"image/{names[0]}", "decide", "undo"):
            status, _, text = client.ask(path + more, method, body, within=False)
            assert (status, text) == (404, b"Not Found.\n")


@pytest.mark.parametrize(
    "path",
    [
        "image/../../../../review.csv",
        "image/%2e%2e%2freview.csv",
        "image/" + "0" * 64,
        "image/" + "A" * 64,
        "image/",
        "static/../page.html",
        "static/../server.py",
        "static/",
        "page.html",
        "case/-1",
        "case/2",
        "case/1e0",
        "case/" + "9" * 9,
        "case/" + "9" * 30,
        "session/",
        "decide",
        "?x",
    ],
)
def test_no_path_of_a_request_reaches_the_disk(client, path):
    assert client.ask(path)[0] == 404


def test_a_ticket_leads_in_once(made):
    _, server, _ = made
    client = Client(server)
    ticket = server.ticket.removeprefix(f"http://{client.host}")
    assert client.ask(ticket + "x", within=False)[0] == 404
    assert client.ask(ticket, within=False, Host="evil.test")[0] == 421
    status, headers, _ = client.ask(ticket, within=False)
    assert (status, headers["Location"]) == (303, client.key)
    assert client.ask(ticket, within=False)[0] == 404
    assert client.key.strip("/") not in ticket


GOOD = choice("0" * 64)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        *(
            json.dumps(body).encode()
            for body in (
                {**GOOD, "case": "0"},
                {**GOOD, "case": True},
                {**GOOD, "case": -1},
                {**GOOD, "case": 1.5},
                {**GOOD, "why": None},
                {**GOOD, "why": "x" * 501},
                {**GOOD, "choices": []},
                {**GOOD, "choices": "keep"},
                {**GOOD, "choices": [{"id": 1, "verb": "keep"}]},
                {**GOOD, "choices": [{"id": "x", "verb": ["keep"]}]},
                {**GOOD, "choices": [{"id": "x", "verb": "keep", "label": 1}]},
                {key: value for key, value in GOOD.items() if key != "why"},
            )
        ),
    ],
)
def test_a_request_that_the_page_does_not_make_is_refused(client, project, body):
    assert client.ask("decide", "POST", body)[0] == 400
    assert not project.review.exists()


def test_a_case_that_is_not_there_is_refused(client):
    assert client.post("decide", {**GOOD, "case": 2})[0] == 404
    assert client.post("burn", GOOD)[0] == 404


@pytest.mark.parametrize(("length", "status"), [(None, 411), ("-1", 411), ("x", 411), (str((1 << 20) + 1), 413)])
def test_a_request_is_bounded(client, length, status):
    assert client.ask("decide", "POST", b"", Content_Length=length)[0] == status


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "HEAD", "TRACE"])
def test_other_methods_are_unknown(client, method):
    assert client.ask("case/0", method)[0] == 501


@pytest.mark.parametrize(
    "head",
    [
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\n\r\n",
        b"GET " + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET /\xff/ HTTP/1.1\r\nHost: \xff\r\n\r\n",
    ],
)
def test_nonsense_ends_only_its_own_connection(client, capfd, head):
    with socket.create_connection(("127.0.0.1", int(client.host.rpartition(":")[2])), timeout=60) as connection:
        connection.sendall(head)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(1 << 16)
    assert re.match(rb"$|HTTP/1\.1 4\d\d |<!DOCTYPE", answer)
    assert client.ask("session")[0] == 200
    assert "Traceback" not in capfd.readouterr().err


def test_two_hosts_in_one_request_are_refused(client):
    request = f"GET {client.key} HTTP/1.1\r\nHost: {client.host}\r\nHost: evil.test\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", int(client.host.rpartition(":")[2])), timeout=60) as connection:
        connection.sendall(request)
        assert connection.recv(99).startswith(b"HTTP/1.1 421 ")


def test_only_this_machine_can_connect(made):
    port = int(Client(made[1]).host.rpartition(":")[2])
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}
    for address in [*others, "127.0.0.2"]:
        with pytest.raises(OSError, match=r"refused|timed out|unreachable|assign"):
            socket.create_connection((address, port), timeout=1)


def test_people_who_decide_at_once_lose_nothing(client, project, names):
    done = []

    def press(name, case):
        for verb in ("keep", "drop", "keep", "drop"):
            done.append(client.post("decide", choice(name, verb=verb, case=case))[0])

    threads = [threading.Thread(target=press, args=asked) for asked in zip(names, (0, 0, 1), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [200] * 12
    assert project.lines() == [f"{name},drop,,mk," for name in sorted(names)]


def test_a_port_that_is_taken_is_told(made):
    port = int(Client(made[1]).host.rpartition(":")[2])
    with pytest.raises(PixmillError, match=f"cannot use port {port}"):
        Server(made[1].session, made[1].previews, port=port)
