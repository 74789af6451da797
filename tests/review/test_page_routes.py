"""Routes of the review page: cases, images, decisions, and refusal of other requests."""

import json
import re

import pytest

from pixmill.local.private_server import PrivateServer, make_app
from pixmill.review.serving import ReviewSite
from tests.review.conftest import Project, fill
from tests.visitor import Visitor


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("project"))
    names = project.add("coat"), project.add("dress"), project.add("coat", reason="too_small")
    project.link(*names[:2])
    workspace = project.write()
    fill(project.root, "unlabelled/a.jpg")
    site = ReviewSite(workspace, by="mk")
    with site, PrivateServer(make_app(site.routes()), command="x", start="review/") as server:
        client = Visitor(server.new_address())
        client.rows = {site.load().images.ids[row]: row for row in range(3)}
        client.number = site.load().number
        yield project, client, names


@pytest.fixture
def project(made):
    made[0].decisions.unlink(missing_ok=True)
    return made[0]


@pytest.fixture
def client(made, project):
    return made[1]


@pytest.fixture
def names(made):
    return made[2]


@pytest.fixture
def choice(client):
    def choice(*names, verb="drop", window="one", **more):
        rows = [client.rows[name] for name in names]
        choices = [{"rows": rows, "verb": verb, "label": more.pop("label", "")}]
        known = {"number": client.number, "version": 10**6, "window": window}
        return {**known, "choices": choices, **more}

    return choice


def test_the_page_has_a_strict_content_security_policy(client):
    status, headers, page = client.ask("")
    assert status == 200
    policy = headers["Content-Security-Policy"]
    nonce = re.search("script-src 'nonce-([^']+)'", policy)[1]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert page.decode().count(f'nonce="{nonce}"') == 5
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
    assert client.get_json("cases")["total"] == 2
    assert {image["id"] for image in client.get_json("case/0")["images"]} == set(names[:2])
    for place in ("image", "thumb"):
        status, headers, body = client.ask(f"{place}/{client.rows[names[2]]}")
        assert (status, headers["Content-Type"], body[:3]) == (200, "image/jpeg", b"\xff\xd8\xff")
    assert client.get_json(f"cases?image={names[2]}")["first"] == 1


def test_writes_and_undoes_decisions(client, project, names, choice):
    status, answer = client.post("decide", choice(*names[:2], case=0))
    assert (status, answer["undoable"]) == (200, 1)
    assert {said[:2] for said in project.said()} == {(name, "drop") for name in names[:2]}
    assert client.post("decide", choice(names[2], verb="relabel", label="shoe"))[0] == 200
    assert (names[2], "yes", "shoe", "") in project.said()
    for case in (None, 0):
        assert client.post("undo?window=one", {})[1]["case"] == case
    assert project.said() == set()


def test_refuses_forms_of_other_pages(client, project, names, choice):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None):
        assert client.post("decide", choice(names[0]), Content_Type=kind)[0] == 415
    assert not project.decisions.exists()


def test_refuses_a_page_of_earlier_tables(client, names, choice):
    assert client.post("decide", choice(names[0], number=0))[0] == 409


@pytest.mark.parametrize(
    "path",
    [
        "image/../../../../decisions.csv",
        "image/%2e%2e%2fdecisions.csv",
        "image/-1",
        "thumb/99",
        "open/99",
        "static/../page.html",
        "page.html",
        "case/-1",
        "case/2",
        "case/" + "9" * 30,
    ],
)
def test_refuses_paths_outside_of_the_routes(client, path):
    assert client.ask(path)[0] == 404


GOOD = {
    "number": 1,
    "version": 1,
    "window": "one",
    "choices": [{"rows": [0], "verb": "drop"}],
}


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
                {**GOOD, "choices": [{"rows": [0], "verb": ["keep"]}]},
                {**GOOD, "choices": [{"rows": [-1], "verb": "keep"}]},
                {key: value for key, value in GOOD.items() if key != "version"},
            )
        ),
    ],
)
def test_refuses_malformed_requests(client, project, body):
    assert client.ask("decide", "POST", body)[0] == 400
    assert not project.decisions.exists()


def test_a_selection_is_shown_before_any_advice(client, names):
    wanted = [names[1], "0" * 64, names[0]]
    for window, ids in (("one", wanted), ("two", [names[1]])):
        asked = {"ids": ids, "where": "on the map", "window": window}
        assert client.post("selection", asked)[0] == 200
    state = client.get_json("state?scope=selection&sort=files&window=one")
    assert state["rows"] == [client.rows[names[1]], client.rows[names[0]]]
    assert state["selected"] == {"count": 3, "where": "on the map"}
    assert client.post("selection", {"ids": ["1" * 65]})[0] == 400
