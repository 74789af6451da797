"""Behaviour of pages in a real browser."""

import json
from functools import partial
from urllib.parse import quote

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from pixmill.local.private_server import PrivateServer, make_app
from pixmill.project.page.home import Home, routes
from pixmill.project.page.jobs import Job
from tests.browsing import show
from tests.evaluate.page.test_page import MISTAKES, page

pytestmark = pytest.mark.browser


@pytest.fixture
def opened(browser, tmp_path):
    """Return a function that opens the page of evaluate in a window of a given width."""
    path = tmp_path / "evaluate.html"
    path.write_text(page(), encoding="utf-8")
    return partial(show, browser, path)


def test_image_enlarges_by_click_or_key_and_closes(opened):
    browser = opened(1280)
    image = browser.find_element(By.CSS_SELECTOR, "figure.card img")
    dialog = browser.find_element(By.TAG_NAME, "dialog")
    small = image.size["width"]
    image.click()
    assert dialog.get_attribute("open") is not None
    assert dialog.find_element(By.TAG_NAME, "img").size["width"] > small
    assert MISTAKES[0]["id"][:12] in dialog.text
    dialog.find_element(By.TAG_NAME, "button").click()
    assert dialog.get_attribute("open") is None
    image.send_keys(Keys.ENTER)
    assert dialog.get_attribute("open") is not None


def test_a_line_to_paste_can_be_copied(browser, tmp_path):
    line = "group_by: '/([^/]+)(?i:_aug)*$'"
    path = tmp_path / "validate.html"
    text = page().replace("</main>", f"<p id='pasted'>Set {line} in the section split.</p></main>")
    path.write_text(text, encoding="utf-8")
    show(browser, path, 1280)
    copied = browser.find_elements(By.CSS_SELECTOR, "#pasted > code:has(+ .copy)")
    assert [code.text for code in copied] == [line]


def test_image_leads_to_its_page_when_served_and_shows_the_command_from_disk(opened, tmp_path):
    browser = opened(1280)
    name = MISTAKES[0]["id"]
    browser.find_element(By.CSS_SELECTOR, f'img[data-id="{name}"]').click()
    command = browser.find_element(By.CSS_SELECTOR, "dialog code").text
    assert command == f"pixmill review {name[:12]}"
    assert browser.find_elements(By.CSS_SELECTOR, "main .thumb, main .act") == []
    (tmp_path / "reports").mkdir()
    (tmp_path / "evaluate.html").rename(tmp_path / "reports/evaluate.html")
    home = Home(tmp_path, Job(tmp_path, "dvc repro"), Job(tmp_path, "pixmill compare"))
    with PrivateServer(make_app(routes(home)), command="pixmill open") as server:
        browser.get(server.new_address())
        WebDriverWait(browser, 10).until(lambda _: "token" not in browser.current_url)
        address = browser.current_url
        browser.get(f"{address}reports/evaluate.html")
        links = browser.find_elements(By.CSS_SELECTOR, "main .thumb")
        images = browser.find_elements(By.CSS_SELECTOR, "main [data-id]")
        assert len(links) == len(images) > 0
        acts = browser.find_elements(By.CSS_SELECTOR, ".columns .act")
        parts = {act.get_attribute("title"): act.get_attribute("href") for act in acts}
        assert parts["pixmill review --only labels"] == f"{address}review/"
        assert parts["pixmill compare"] == f"{address}#compare"
        head = browser.find_element(By.CSS_SELECTOR, ".head .project")
        assert head.get_attribute("href") == address
        browser.execute_script(
            "sessionStorage.clear(); addEventListener('click', (event) => event.preventDefault())"
        )
        link = browser.find_element(By.CSS_SELECTOR, f'.thumb:has([data-id="{name}"])')
        link.click()
        section = "reports/evaluate.html#mistakes"
        asked = f"?from={quote(section, safe='')}"
        assert link.get_attribute("href") == f"{address}image/{name}{asked}"
        stored = browser.execute_script(f"return sessionStorage['list {section}']")
        assert json.loads(stored)["ids"] == [each["id"] for each in MISTAKES]
        browser.get("about:blank")


def test_matrix_cell_unfolds_its_images(opened):
    browser = opened(1280)
    images = browser.find_elements(By.CSS_SELECTOR, "#cell-0-1 img")
    assert len(images) == 2
    assert not images[0].is_displayed()
    browser.find_element(By.CSS_SELECTOR, 'a[href="#cell-0-1"]').click()
    assert images[0].is_displayed()


def test_small_screen_folds_galleries_and_scrolls_tables_by_key(opened):
    def shown(browser):
        galleries = browser.find_elements(By.CSS_SELECTOR, ".gallery.folded")
        return [
            image
            for image in galleries[0].find_elements(By.TAG_NAME, "figure")
            if image.is_displayed()
        ]

    assert len(shown(opened(1280))) > 8
    browser = opened(360)
    assert len(shown(browser)) == 6
    folded = len(browser.find_elements(By.CSS_SELECTOR, ".gallery.folded"))
    browser.execute_script("document.querySelector('button.more').click()")
    assert len(browser.find_elements(By.CSS_SELECTOR, ".gallery.folded")) == folded - 1
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 360
    boxes = browser.find_elements(By.CSS_SELECTOR, ".scroll")
    wide = [box.get_property("scrollWidth") > box.get_property("clientWidth") for box in boxes]
    assert any(wide)
    assert [box.get_attribute("tabindex") == "0" for box in boxes] == wide


def test_wide_screen_has_two_columns(opened):
    script = """
    const columns = [...document.querySelectorAll('.columns > div')];
    const boxes = columns.map(box => box.getBoundingClientRect());
    return new Set(boxes.map(box => Math.round(box.left))).size
    """
    for width, columns in ((1600, 2), (400, 1)):
        browser = opened(width)
        assert browser.execute_script(script) == columns
        assert browser.execute_script(
            "return document.documentElement.scrollWidth <= innerWidth"
        ), width
