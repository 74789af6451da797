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


def test_a_cell_of_the_confusion_matrix_shows_its_images_alone(opened):
    run = opened.execute_script
    shown = "return [...document.querySelectorAll('.card img')].filter(i => i.offsetParent).map(i => i.alt)"
    every = run(shown)
    run("document.querySelector('.matrix a[href=\"#cell-0-2\"]').click()")
    coats = [alt for alt in run(shown) if ": base predicts" in alt]
    assert coats == ["coat: base predicts coat, head shirt"] * 2
    assert len(run(shown)) > 2  # images of other sections stay
    (line,) = opened.find_elements(By.CSS_SELECTOR, ".only:target")
    assert line.text == "Only images of coat that base or head predicts as shirt: 2. Show all"
    line.find_element(By.TAG_NAME, "a").click()
    assert run(shown) == every
