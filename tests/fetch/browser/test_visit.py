import socket

import pytest
from selenium.webdriver.common.by import By

from pixmill.fetch.browser import LoadTimeoutError, UnreachableError, close_popups, visit
from pixmill.fetch.values import Network
from tests.browsing import open_confined

pytestmark = pytest.mark.browser

HOME = "http://shop.pixmill.test/"


@pytest.fixture(scope="module")
def silent():
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture(scope="module")
def driver(site, silent, tmp_path_factory):
    served = {
        "shop.pixmill.test:80": site.port,
        "silent.test:80": silent,
        "silent.test:443": silent,
    }
    with open_confined(Network(served=served), tmp_path_factory.mktemp("p")) as driver:
        # The first page of a new browser takes seconds on a busy machine.
        visit(driver, HOME)
        driver.set_script_timeout(2)
        yield driver


@pytest.mark.parametrize("status", [200, 202, 403, 404, 429, 503])
def test_visit_returns_the_http_status(driver, status):
    assert visit(driver, f"{HOME}status?{status}") == status
    assert driver.current_url == f"{HOME}status?{status}"


def test_refused_host_is_explained(driver):
    with pytest.raises(UnreachableError) as raised:
        visit(driver, "http://10.0.0.1/")
    assert raised.value.reason == (
        "10.0.0.1 is not a public address (if the host is yours: scrape.allow_hosts: "
        "['10.0.0.1:80'])"
    )
    with pytest.raises(UnreachableError) as raised:
        visit(driver, "https://10.0.0.1/")
    assert raised.value.reason == (
        "ERR_TUNNEL_CONNECTION_FAILED "
        "(the host is unknown, does not respond, or is neither public nor in scrape.allow_hosts)"
    )


def test_unknown_host_is_reported(driver):
    with pytest.raises(UnreachableError, match=r"nowhere\.invalid cannot be resolved"):
        visit(driver, "http://nowhere.invalid/")


def test_endless_load_times_out_and_leaves_the_page_readable(driver, site):
    site.pages["/waits"] = '<p id=here>here</p><img src="http://silent.test/image">'
    driver.set_page_load_timeout(2)
    try:
        with pytest.raises(LoadTimeoutError):
            visit(driver, f"{HOME}waits")
        assert driver.find_element(By.ID, "here").text == "here"
        with pytest.raises(LoadTimeoutError):
            visit(driver, "http://silent.test/")
    finally:
        driver.set_page_load_timeout(30)
    assert visit(driver, HOME) == 200


def test_alerts_are_dismissed(driver, site):
    site.pages["/alerts"] = (
        "<title>Asks</title><script>alert(1); confirm(2); prompt(3); onbeforeunload = () => "
        "4</script>"
    )
    assert visit(driver, f"{HOME}alerts") == 200
    assert driver.title == "Asks"
    assert visit(driver, HOME) == 200


def test_popups_are_blocked_or_closed(driver, site):
    site.pages["/popups"] = (
        '<script>for (let i = 0; i < 5; i++) open("/")</script><a target=_blank href="/">more</a>'
    )
    visit(driver, f"{HOME}popups")
    assert len(driver.window_handles) == 1
    driver.find_element(By.TAG_NAME, "a").click()
    assert len(driver.window_handles) == 2
    close_popups(driver)
    assert len(driver.window_handles) == 1
    assert driver.current_url == f"{HOME}popups"
