"""Routes of the review page: cases, images, decisions, and refusal of other requests."""

import json
import re
import threading
from types import SimpleNamespace

import pytest

from pixmill.images.compute import RowLimits
from pixmill.local.private_server import PrivateServer, make_app
from pixmill.review.cases import find_cases
from pixmill.review.page_routes import routes
from pixmill.review.preview import ImageFile, Previews
from pixmill.review.review_session import Session
from tests.review.conftest import CLASSES, Project
from tests.visitor import Visitor


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("project"))
    names = project.add("coat"), project.add("dress"), project.add("coat", reason="too_small")
    project.link(*names[:2])
    tables = project.tables()
    session = Session(
        tables, find_cases(tables), project.review_file(tables), classes=CLASSES, by="mk"
    )

    def source(name):
        return ImageFile(
            name, project.root / "artifacts/scrape" / project.rows[name]["path"], 10**6
        )

    previews = Previews(source, limits=RowLimits(20, 1 << 30), workers=1)
    shown = SimpleNamespace(session=session, previews=previews)
    site = SimpleNamespace(load=lambda: shown, current=lambda: shown, name="shoes")
    with (
        previews,
        PrivateServer(make_app(routes(site)), command="x") as server,
    ):
        yield project, Visitor(server.new_address()), names


@pytest.fixture
def project(made):
    made[0].review.unlink(missing_ok=True)
    return made[0]


@pytest.fixture
def client(made, project):
    return made[1]


@pytest.fixture
def names(made):
    return made[2]


def choice(*names, verb="drop", case=0, why="", **more):
    return {
        "case": case,
        "why": why,
        "choices": [{"id": name, "verb": verb, **more} for name in names],
    }


def test_the_page_has_a_strict_content_security_policy(client):
    status, headers, page = client.ask("")
    assert status == 200
    policy = headers["Content-Security-Policy"]
    nonce = re.search("script-src 'nonce-([^']+)'", policy)[1]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert page.decode().count(f'nonce="{nonce}"') == 3
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
    assert client.get_json("session")["total"] == 2
    assert {image["id"] for image in client.get_json("case/0")["images"]} == set(names[:2])
    status, headers, body = client.ask(f"image/{names[2]}")
    assert (status, headers["Content-Type"], body[:3]) == (200, "image/jpeg", b"\xff\xd8\xff")


def test_writes_and_undoes_decisions(client, project, names):
    status, case = client.post("decide", choice(*names[:2], why='a "b", twice\nmore'))
    assert (status, case["settled"]) == (200, True)
    assert project.lines() == [
        f'{name},drop,,mk,"a ""b"", twice more"' for name in sorted(names[:2])
    ]
    status, case = client.post("decide", choice(names[2], verb="relabel", case=1, label="shoe"))
    assert (status, case["next"]) == (200, None)
    for _ in range(2):
        assert client.post("undo", {})[0] == 200
    assert project.lines() == []


def test_refuses_forms_of_other_pages(client, project, names):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None):
        assert client.post("decide", choice(names[0]), Content_Type=kind)[0] == 415
    assert not project.review.exists()


@pytest.mark.parametrize(
    "path",
    [
        "image/../../../../review.csv",
        "image/%2e%2e%2freview.csv",
        "image/" + "0" * 64,
        "static/../page.html",
        "page.html",
        "case/-1",
        "case/2",
        "case/" + "9" * 30,
    ],
)
def test_refuses_paths_outside_of_the_routes(client, path):
    assert client.ask(path)[0] == 404


GOOD = choice("0" * 64)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        *(
            json.dumps(body).encode()
            for body in (
                {**GOOD, "case": "0"},
                {**GOOD, "case": -1},
                {**GOOD, "why": "x" * 501},
                {**GOOD, "choices": []},
                {**GOOD, "choices": [{"id": "x", "verb": ["keep"]}]},
                {key: value for key, value in GOOD.items() if key != "why"},
            )
        ),
    ],
)
def test_refuses_malformed_requests(client, project, body):
    assert client.ask("decide", "POST", body)[0] == 400
    assert not project.review.exists()


def test_concurrent_decisions_are_all_written(client, project, names):
    done = []

    def press(name, case):
        for verb in ("keep", "drop", "keep", "drop"):
            done.append(client.post("decide", choice(name, verb=verb, case=case))[0])

    threads = [
        threading.Thread(target=press, args=asked) for asked in zip(names, (0, 0, 1), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [200] * 12
    assert project.lines() == [f"{name},drop,,mk," for name in sorted(names)]
