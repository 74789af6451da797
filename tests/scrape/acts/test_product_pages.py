"""Product pages of a site that blocks a run in the middle, or of a run that is killed: none is visited twice."""

import io
import json
import threading
import time

import pytest
from PIL import Image

from tests.scrape.acts.project import Project
from tests.servers import Handler, serve

pytestmark = pytest.mark.browser

SITE = """\
name: tiny
version: 1
checked: 2026-11-20
url: http://shop.test/s/{query}
selectors: {item: [".card"], image: ["img"], link: ["a@href"]}
detail: {image: ["#photo"]}
settings: {pause: [0.02, 0.03], smooth: false, patience: 1}
"""
PRODUCTS = 8


class Products(Handler):
    def respond(self):
        server, (_, kind, name) = self.server, ["", *self.path.split("/")][-3:]
        status, media, body = 200, "text/html", b""
        if kind == "s":
            cards = (f"<div class=card><img src=/i/{n}><a href=/p/{n}>A hat</a></div>" for n in range(PRODUCTS))
            body = "".join(cards).encode()
        elif kind == "p":
            server.visited.append(int(name))
            server.visit.set()
            time.sleep(server.seconds)
            status = 429 if len(server.visited) > server.patience else 200
            body = f"<img id=photo src=/i/1{name}>".encode()
        elif kind == "i":
            media, buffer = "image/png", io.BytesIO()
            Image.new("RGB", (400, 400) if len(name) > 1 else (100, 100), (int(name), 5, 9)).save(buffer, "PNG")
            body = buffer.getvalue()
        else:
            media = "text/plain"  # no rules
        self.answer(body, status, media)


@pytest.fixture
def server():
    with serve(Products) as server:
        server.handle_error = lambda *_: None  # a browser that is killed hangs up
        server.visited, server.visit, server.patience, server.seconds = [], threading.Event(), 1000, 0.0
        yield server


@pytest.fixture
def project(server, tmp_path, repository):
    served = {"served": {"shop.test:80": server.server_address[1]}, "authority": None}
    project = Project(tmp_path / "project", repository, description=json.dumps(served))
    (project.root / "sites").mkdir()
    (project.root / "sites" / "tiny.yaml").write_text(SITE)
    project.params("hat", source="site:tiny", expect_at_least=1, browsers=1, queries={"hat": ["a", "b"]})
    return project


def test_a_site_that_blocks_is_asked_for_the_rest_alone(project, server):
    """Two queries show the same products."""
    server.patience = 5
    assert "blocks automated access" in project.run().error
    assert server.visited == [0, 1, 2, 3, 4, 5]
    server.patience = 1000
    server.visited.clear()
    project.succeed()
    assert sorted(server.visited) == [5, 6, 7]


def test_a_run_that_is_killed_goes_on(project, server):
    server.seconds = 0.5
    with project.started() as process:
        while len(server.visited) < 5:
            assert server.visit.wait(60)
            time.sleep(0.05)
        process.kill()
    seen = server.visited[:3]
    server.seconds = 0.0
    server.visited.clear()
    project.succeed()
    assert not {*seen} & {*server.visited}
