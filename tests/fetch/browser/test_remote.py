"""Remote driver from environment variables."""

import pytest

from pixmill.core.errors import BrowserError
from pixmill.fetch.browser import RemoteDriver, check_remote, choose_browser
from pixmill.fetch.browser.options import CHROMIUM, FIREFOX

URL = "http://browser.example:4444"


def chosen(url, **environ):
    return choose_browser(environ={"PIXMILL_WEBDRIVER_URL": url, **environ})


@pytest.mark.parametrize(
    ("url", "remote"),
    [
        (URL, RemoteDriver(URL, CHROMIUM)),
        (f"{URL}/wd/hub/", RemoteDriver(f"{URL}/wd/hub")),
        (f"{URL}?proxy_port=8899", RemoteDriver(URL, proxy_port=8899)),
        (
            "https://pixmill:a%40b@browser.example",
            RemoteDriver("https://browser.example", login=("pixmill", "a@b")),
        ),
    ],
)
def test_remote_driver_is_parsed_from_its_url(url, remote):
    assert chosen(url) == remote
    assert chosen(url, PIXMILL_BROWSER="firefox").kind == FIREFOX


@pytest.mark.parametrize(
    "url",
    [
        "browser:4444",
        "http://",
        "http://browser:99999",
        f"{URL}?proxy_port=",
        f"{URL}?proxy_port=70000",
        f"{URL}?a=b",
    ],
)
def test_invalid_url_is_refused(url):
    with pytest.raises(BrowserError, match="PIXMILL_WEBDRIVER_URL: expected a URL"):
        chosen(url)


def test_local_browser_is_refused_with_a_remote_driver():
    with pytest.raises(
        BrowserError, match="with PIXMILL_WEBDRIVER_URL, PIXMILL_BROWSER must be a kind"
    ):
        chosen(URL, PIXMILL_BROWSER="/usr/bin/chromium")


@pytest.mark.parametrize(
    "url", ["htp://pixmill:secret@browser.example", "http://pixmill:secret/1@browser.example"]
)
def test_passwords_are_never_shown(url):
    with pytest.raises(BrowserError) as raised:
        chosen(url)
    assert "secret" not in f"{raised.value}{chosen('http://pixmill:secret@browser.example')}"


def test_missing_remote_driver_is_reported():
    with pytest.raises(
        BrowserError,
        match=r"127\.0\.0\.1:9/status does not answer like a WebDriver server: .*refused",
    ):
        check_remote(RemoteDriver("http://127.0.0.1:9"))
