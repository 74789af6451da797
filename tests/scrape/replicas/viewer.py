"""A person's eyes and hands on a replica: opens a page, scrolls it to its end, clicks, looks at what is there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selenium.common.exceptions import JavascriptException, TimeoutException
from selenium.webdriver.support.wait import WebDriverWait

from pixmill.web.browser import find_browser, open_browser
from pixmill.web.fetch.proxy import Proxy
from tests.scrape.replicas.world import World

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

__all__ = ["Viewer", "viewing"]

_TO_THE_END = """
const [button, patience] = arguments;
const done = arguments[arguments.length - 1];
const pause = (milliseconds) => new Promise((wake) => setTimeout(wake, milliseconds));
(async () => {
  let last = -1;
  for (let still = 0; still < patience; await pause(40)) {
    scrollBy(0, innerHeight * 0.9);
    const more = document.querySelector(button);
    if (more && more.offsetParent) more.click();
    const height = document.documentElement.scrollHeight;
    still = height === last && innerHeight + scrollY >= height - 2 ? still + 1 : 0;
    last = height;
  }
  done();
})();
"""


class Viewer:
    """Look at pages with a browser, by a script that knows nothing of the sites.

    Args:
        driver: The browser's driver.
    """

    def __init__(self, driver: WebDriver) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        """Open a page, without any cookies of those before."""
        self.driver.execute("executeCdpCommand", {"cmd": "Network.clearBrowserCookies", "params": {}})
        self.driver.get(url)

    def scroll(self, button: str, patience: int = 25) -> None:
        """Scroll to the end and press the button whenever it shows, until nothing has come for patience times 40 ms."""
        self.driver.execute_async_script(_TO_THE_END, button, patience)

    def ask(self, expression: str, *arguments: object) -> Any:
        """Return the value of an expression of JavaScript."""
        return self.driver.execute_script(f"return {expression}", *arguments)

    def wait(self, expression: str, seconds: float = 30.0) -> Any:
        """Return the value of an expression as soon as it is true, on this page or the next, or ``None``."""
        # Asked anew each time: a script that waits inside a page dies with it.
        seen = WebDriverWait(self.driver, seconds, 0.03, ignored_exceptions=(JavascriptException,))
        try:
            return seen.until(lambda _: self.ask(expression))
        except TimeoutException:
            return None

    def click(self, selector: str) -> None:
        """Click on the element as a person does: on what lies at its middle."""
        element = self.driver.find_element("css selector", selector)
        self.ask("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def follow(self, selector: str) -> None:
        """Click on what leads to another page, and wait until that one is there."""
        self.ask("(window.left = true)")
        self.click(selector)
        assert self.wait("!window.left && document.readyState === 'complete'")

    @property
    def status(self) -> int:
        """The status of the page."""
        return int(self.ask("performance.getEntriesByType('navigation')[0].responseStatus"))

    @property
    def text(self) -> str:
        """The words that the page shows."""
        return str(self.ask("document.body.innerText"))


@contextlib.contextmanager
def viewing(world: World, profile: Path) -> Iterator[Viewer]:
    """Open a browser whose only way out leads to a world, with its profile in the folder."""
    with (
        Proxy(world.network) as proxy,
        open_browser(find_browser(), proxy=proxy.url, profile=profile, authority=world.network.authority) as driver,
    ):
        yield Viewer(driver)
