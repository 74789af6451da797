"""In a real browser, the page is read on a screen and on a phone, with the keyboard alone, and loads nothing."""

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from pixmill.compare.page import render_page
from pixmill.compare.sheet import choose
from tests.browsing import show
from tests.compare.compared import comparison
from tests.pages.conftest import browser  # noqa: F401 (a fixture)

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "compare.html"
    made = comparison(images=True)
    path.write_text(render_page(made, choose(made)), encoding="utf-8")
    return path


@pytest.fixture(params=[1280, 400])
def opened(browser, page, request):  # noqa: F811
    return show(browser, page, request.param)


def test_it_fits_loads_nothing_and_the_keyboard_reaches_the_flips(opened):
    run = opened.execute_script
    assert run("return performance.getEntriesByType('resource').filter(r => !r.name.startsWith('data:')).length") == 0
    assert run("return document.documentElement.scrollWidth <= innerWidth")
    assert run("return [...document.querySelectorAll('svg')].every(svg => svg.ariaLabel)")
    keys = ActionChains(opened)
    for _ in range(12):
        keys.send_keys(Keys.TAB).perform()
        if run("return document.activeElement.hash") == "#flips":
            break
    keys.send_keys(Keys.ENTER).send_keys(Keys.TAB).perform()
    assert run("return document.activeElement.alt") == "coat: base predicts coat, head shirt"
    keys.send_keys(Keys.ENTER).perform()
    dialog = opened.find_element(By.TAG_NAME, "dialog")
    assert dialog.get_attribute("open") is not None
    assert "head: ✗ shirt" in dialog.text
