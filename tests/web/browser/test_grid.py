"""Which grid the environment names, and what its browsers are."""

import json

import pytest

from pixmill.core.errors import BrowserError
from pixmill.web.browser import Grid, choose_browser, count_browsers
from pixmill.web.browser.kind import CHROMIUM, EDGE, FIREFOX
from tests.servers import Handler, serve

URL = "http://grid.example:4444"


def chosen(url, **environ):
    return choose_browser(environ={"PIXMILL_WEBDRIVER_URL": url, **environ})


@pytest.mark.parametrize(
    ("url", "grid"),
    [
        (URL, Grid(URL, CHROMIUM)),
        (f"{URL}/wd/hub/", Grid(f"{URL}/wd/hub")),
        (f"{URL}?proxy_port=8899", Grid(URL, proxy_port=8899)),
        ("https://pixmill:a%40b@grid.example", Grid("https://grid.example", login=("pixmill", "a@b"))),
    ],
)
def test_a_grid_is_chosen_by_its_address(url, grid):
    assert chosen(url) == grid
    assert chosen(url, PIXMILL_BROWSER="firefox").kind == FIREFOX


@pytest.mark.parametrize(
    "url",
    ["grid:4444", "http://", "http://grid:99999", f"{URL}?proxy_port=", f"{URL}?proxy_port=70000", f"{URL}?a=b"],
)
def test_an_invalid_address_is_refused(url):
    with pytest.raises(BrowserError, match="PIXMILL_WEBDRIVER_URL: expected a URL"):
        chosen(url)


def test_a_local_browser_is_refused_on_a_grid():
    with pytest.raises(BrowserError, match="with PIXMILL_WEBDRIVER_URL, PIXMILL_BROWSER must be a kind"):
        chosen(URL, PIXMILL_BROWSER="/usr/bin/chromium")


@pytest.mark.parametrize("url", ["htp://pixmill:secret@grid.example", "http://pixmill:secret/1@grid.example"])
def test_a_password_is_never_shown(url):
    with pytest.raises(BrowserError) as raised:
        chosen(url)
    assert "secret" not in f"{raised.value}{chosen('http://pixmill:secret@grid.example')}"


@pytest.fixture
def status():
    """The grid that a test serves, and what it answers when it is asked how it is."""
    said = {}

    class Status(Handler):
        def respond(self):
            said["login"] = self.headers["Authorization"]
            self.answer(json.dumps(said["answer"]), 200 if self.path == "/status" else 404)

    with serve(Status) as server:
        said["url"] = f"http://127.0.0.1:{server.server_port}"
        yield said


def slot(name, session=None):
    return {"stereotype": {"browserName": name}, "session": session}


def test_the_browsers_of_nodes_that_are_up_are_counted(status):
    up = {"availability": "UP", "slots": [slot("chrome"), slot("chrome", {}), slot("MicrosoftEdge")]}
    down = {"availability": "DOWN", "slots": [slot("chrome")]}
    status["answer"] = {"value": {"ready": True, "nodes": [up, down]}}
    counts = [count_browsers(Grid(status["url"], kind)) for kind in (CHROMIUM, EDGE, FIREFOX)]
    assert counts == [(1, 2), (1, 1), (0, 0)]


def test_a_driver_does_not_tell(status):
    status["answer"] = {"value": {"ready": True, "message": "ChromeDriver ready for new sessions."}}
    assert count_browsers(Grid(status["url"], login=("me", "secret"))) is None
    assert status["login"] == "Basic bWU6c2VjcmV0"


def test_what_is_no_grid_is_told_from_one_that_is_absent(status):
    status["answer"] = {"value": {"error": "unknown command"}}
    with pytest.raises(BrowserError, match="does not answer as a Selenium Grid"):
        count_browsers(Grid(f"{status['url']}/nowhere"))
    with pytest.raises(BrowserError, match=r"127\.0\.0\.1:9 does not answer: Connection refused"):
        count_browsers(Grid("http://127.0.0.1:9"))
