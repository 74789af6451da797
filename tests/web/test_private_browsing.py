"""In a real browser, a token leads in from anywhere, and no other page gets at what it opened."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from pixmill.web.private_server import PrivateServer, make_app
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
    """Another server on this machine, whose page has a link, and which notes the cookies that it gets."""

    link = ""
    cookies: list[str]

    def do_GET(self) -> None:  # noqa: N802 (the name that the standard library calls)
        self.cookies += self.headers.get_all("Cookie", [])
        self.answer(f'<!doctype html><title>Other</title><a href="{self.link}">in</a>')


def test_only_the_page_itself_gets_at_what_a_token_opened():
    asked = []

    async def page(request: Request) -> HTMLResponse:
        asked.append(request.method)
        return HTMLResponse("<!doctype html><title>Private</title>")

    Other.cookies = []
    with (
        PrivateServer(make_app([Route("/", page, methods=["GET", "POST"])]), command="x") as server,
        serve(Other) as other,
        open_chrome() as browser,
    ):

        def until(title):
            WebDriverWait(browser, 60, poll_frequency=0.02).until(lambda _: browser.title == title)

        elsewhere, Other.link = f"http://127.0.0.1:{other.server_port}/", server.new_address()
        browser.get(elsewhere)
        browser.find_element(By.TAG_NAME, "a").click()
        until("Private")
        address = browser.current_url
        browser.refresh()
        until("Private")
        assert asked == ["GET", "GET"]
        assert browser.execute_script("return document.cookie") == ""
        # A link on another page leads in no more, nor does any request of its.
        Other.link = address
        browser.get(elsewhere)
        browser.execute_async_script(ATTACK, address)
        browser.find_element(By.TAG_NAME, "a").click()
        until("")
        assert "may not use" in browser.page_source
        assert asked == ["GET", "GET"]
        assert Other.cookies == []
        browser.get(address)
        until("Private")
