"""The shop in a real browser: banner, lazy images, infinite scrolling, button, end."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from pixmill.local.shop.catalogue import ORIGIN
from pixmill.local.shop.server import BATCH_SIZE
from tests.browsing import open_chrome

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser(shop):
    with open_chrome(
        f"--host-resolver-rules=MAP shop.pixmill.test 127.0.0.1:{shop.port}"
    ) as driver:
        yield driver


@pytest.fixture
def visit(browser):
    """Return a function that opens a page of the shop without cookies, and accepts the banner by default."""

    def go(address, *, accept=True):
        browser.get(ORIGIN + "/robots.txt")
        browser.delete_all_cookies()
        browser.get(ORIGIN + address)
        if accept:
            browser.find_element(By.ID, "consent-accept").click()

    return go


@pytest.fixture
def until(browser):
    return WebDriverWait(browser, 60, poll_frequency=0.05).until


def cards(browser):
    return browser.execute_script(
        "return [...document.querySelectorAll('article.card')].map(c => c.dataset.productId)"
    )


def to_the_bottom(browser):
    browser.execute_script("window.scrollTo(0, document.body.scrollHeight)")


def shown(browser, selector):
    return any(
        element.is_displayed() for element in browser.find_elements(By.CSS_SELECTOR, selector)
    )


def test_nothing_loads_before_consent(browser, visit):
    visit("/search?q=sneaker", accept=False)
    requests = "return performance.getEntriesByType('resource').length"
    before = browser.execute_script(requests)
    to_the_bottom(browser)
    browser.execute_async_script("setTimeout(arguments[0], 200)")
    assert browser.execute_script("return window.scrollY") == 0
    assert len(cards(browser)) == BATCH_SIZE
    assert browser.execute_script(requests) == before
    covering = browser.execute_script(
        "return document.elementFromPoint(640, 120).closest('#consent') !== null"
    )
    assert covering


@pytest.mark.parametrize("answer", ["accept", "reject"])
def test_consent_is_remembered(browser, visit, answer):
    visit("/", accept=False)
    browser.find_element(By.ID, f"consent-{answer}").click()
    assert not browser.find_elements(By.ID, "consent")
    browser.refresh()
    assert not browser.find_elements(By.ID, "consent")


def test_images_load_near_the_viewport(browser, visit, until):
    visit("/search?q=sneaker")
    until(
        lambda _: browser.execute_script(
            "return document.querySelector('.card-image').naturalWidth == 16"
        )
    )
    last = "document.querySelectorAll('.card-image')[arguments[0]]"
    assert browser.execute_script(f"return {last}.src.startsWith('data:image/gif')", BATCH_SIZE - 1)
    to_the_bottom(browser)
    until(
        lambda _: browser.execute_script(
            f"return !{last}.src.startsWith('data:image/gif')", BATCH_SIZE - 1
        )
    )


@pytest.fixture
def scroll_to_the_end(browser, until):
    """Return a function that scrolls and clicks to the end, and returns the number of cards at each button."""

    def at_a_stop(_):
        to_the_bottom(browser)
        return shown(browser, "#show-more") or shown(browser, "[data-end-of-results]")

    def go():
        counts = []
        while until(at_a_stop) and not shown(browser, "[data-end-of-results]"):
            counts.append(len(cards(browser)))
            browser.find_element(By.ID, "show-more").click()
        return counts

    return go


def test_scrolling_stops_at_the_button_and_at_the_end(browser, visit, scroll_to_the_end):
    visit("/search?q=boot")
    assert scroll_to_the_end() == [2 * BATCH_SIZE]
    total = int(browser.find_element(By.CSS_SELECTOR, "[data-results]").get_attribute("data-total"))
    assert len(cards(browser)) == len(set(cards(browser))) == total
    assert not shown(browser, "#show-more")


def test_missing_images_are_shown_as_sold_out(browser, visit, until):
    visit("/search?q=sneaker")
    until(
        lambda _: to_the_bottom(browser) or browser.find_elements(By.CSS_SELECTOR, ".frame.is-gone")
    )
    content = browser.execute_script(
        "return getComputedStyle(document.querySelector('.is-gone'), '::before').content"
    )
    assert content == '"Sold out"'


def test_failed_batch_can_be_retried(browser, visit, until):
    visit("/search?q=sneaker")
    browser.execute_script(
        "window.real = window.fetch; window.fetch = () => Promise.reject(new Error('offline'))"
    )
    until(lambda _: to_the_bottom(browser) or shown(browser, "#show-more"))
    browser.execute_script("window.fetch = window.real")
    count = len(cards(browser))
    browser.find_element(By.ID, "show-more").click()
    until(lambda _: len(cards(browser)) > count)


@pytest.mark.slow
def test_pages_fit_every_screen(browser, visit):
    for width in (400, 768, 1280):
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 850, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        for address in ("/", "/search?q=sneaker", "/search?q=boots"):
            visit(address)
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_scripts_log_no_errors(browser, visit):
    browser.get_log("browser")
    for address in ("/", "/search?q=red%20cat", "/search?q=boots"):
        visit(address)
    assert [
        entry["message"] for entry in browser.get_log("browser") if entry["source"] != "network"
    ] == []
