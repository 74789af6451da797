"""Access control of a private server in a real browser."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from pixmill.local.private_server import PrivateServer, make_app
from tests.browsing import open_chrome
from tests.servers import Handler, serve

pytestmark = pytest.mark.browser

ATTACK = """
const [address, done] = arguments;
const tries = [
  fetch(address, { mode: 'no-cors', credentials: 'include' }),
  fetch(address, { method: 'POST', mode: 'no-cors', credentials: 'include', body: 'x' }),
  new Promise((resolve, reject) => { const i = new Image(); i.onload = resolve; i.onerror = reject; i.src = address; }),
  new Promise((resolve) => {
    const frame = Object.assign(document.createElement('iframe'), { onload: resolve, src: address });
    document.body.append(frame);
  }),
];
Promise.allSettled(tries).then(() => done());
"""


class Other(Handler):
    """Another local server; its page has a link, and it records the cookies that it receives."""

    link = ""
    cookies: list[str]

    def do_GET(self) -> None:  # noqa: N802 (standard library's name)
        self.cookies += self.headers.get_all("Cookie", [])
        self.answer(f'<!doctype html><title>Other</title><a href="{self.link}">in</a>')


def test_other_pages_cannot_use_the_cookie():
    requests = []

    async def page(request: Request) -> HTMLResponse:
        requests.append(request.method)
        return HTMLResponse("<!doctype html><title>Private</title>")

    Other.cookies = []
    with (
        PrivateServer(make_app([Route("/", page, methods=["GET", "POST"])]), command="x") as server,
        serve(Other) as other,
        open_chrome() as browser,
    ):

        def until(title):
            WebDriverWait(browser, 60, poll_frequency=0.02).until(lambda _: browser.title == title)

        elsewhere = f"http://127.0.0.1:{other.server_port}/"
        Other.link = server.new_address()
        browser.get(elsewhere)
        browser.find_element(By.TAG_NAME, "a").click()
        until("Private")
        address = browser.current_url
        browser.refresh()
        until("Private")
        assert requests == ["GET", "GET"]
        assert browser.execute_script("return document.cookie") == ""
        # Neither a link nor any other request of another page is answered.
        Other.link = address
        browser.get(elsewhere)
        browser.execute_async_script(ATTACK, address)
        browser.find_element(By.TAG_NAME, "a").click()
        until("")
        assert "may not use" in browser.page_source
        assert requests == ["GET", "GET"]
        assert Other.cookies == []
        browser.get(address)
        until("Private")
