"""The map in a real browser: a lasso opens the grid with its images, also without a mouse."""

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from pixmill.local.private_server import PrivateServer, make_app
from pixmill.review.serving import ReviewSite
from tests.browsing import open_chrome

pytestmark = pytest.mark.browser

_GRID = """
return [...document.querySelectorAll("#canvas img[src]")].map(
    image => Number(image.src.match(/thumb.([0-9]+)/)[1]))
"""


@pytest.fixture
def page(project, features):
    project.fill("coat", 8)
    project.fill("dress", 6)
    site = ReviewSite(project.write(), by="mk")
    app = make_app(site.routes())
    with (
        site,
        PrivateServer(app, command="x", start="review/map/") as server,
        open_chrome() as browser,
    ):
        browser.get(server.new_address())
        yield browser


def until(browser, condition):
    return WebDriverWait(browser, 60, poll_frequency=0.05).until(condition)


def opened(browser):
    """Return the rows of the images in the grid that has been opened."""
    browser.find_element(By.ID, "grid").click()
    until(browser, lambda _: "scope=selection" in browser.current_url)
    return {*until(browser, lambda _: browser.execute_script(_GRID))}


def test_a_lasso_and_a_class_open_the_grid_with_exactly_their_images(page):
    address = page.current_url
    canvas = until(page, lambda _: page.find_element(By.ID, "canvas"))
    until(page, lambda _: canvas.is_displayed())
    answer = "return fetch('points').then(answer => answer.json())"
    points = page.execute_script(answer)
    middle = max(points["x"]) / 2  # of the canvas, too
    left = {row for row, x in zip(points["rows"], points["x"], strict=True) if x < middle}
    assert 0 < len(left) < 14
    page.find_element(By.ID, "lasso").click()
    width = canvas.size["width"] // 2 - 2
    height = canvas.size["height"] // 2 - 2
    drag = ActionChains(page, duration=50).move_to_element_with_offset(canvas, 0, -height)
    drag.click_and_hold()
    for x, y in [(-width, -height), (-width, height), (0, height), (0, -height)]:
        drag.move_to_element_with_offset(canvas, x, y)
    drag.release().perform()
    assert opened(page) == left
    page.get(address)
    (name,) = until(page, lambda _: page.find_elements(By.XPATH, "//button[span='dress']"))
    until(page, lambda _: name.is_displayed())
    name.send_keys(Keys.ENTER)
    values = points["colours"][0]["values"]
    dresses = zip(points["rows"], points["colours"][0]["of"], strict=True)
    assert opened(page) == {row for row, at in dresses if values[at] == "dress"}
    assert page.get_log("browser") == []
