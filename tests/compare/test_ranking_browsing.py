"""In a real browser, the keyboard sorts, filters and narrows the table of runs, on a screen and on a phone."""

from dataclasses import replace

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from pixmill.compare.ranking_report import render_ranking
from tests.browsing import show
from tests.compare.ranked import ranking
from tests.pages.conftest import browser  # noqa: F401 (a fixture)

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "runs.html"
    made = ranking()
    long = {f"train.z{'augmentation' * 3}.{'brightness_' * 4}": ["flip", "rotate"] * 9}
    rows = tuple(replace(row, params={**row.params, **long}) for row in made.rows)
    path.write_text(render_ranking(replace(made, rows=rows)), encoding="utf-8")
    return path


@pytest.fixture
def opened(browser, page, request):  # noqa: F811
    """The page in a window of a width, which is a phone's unless the test says otherwise."""
    return show(browser, page, getattr(request, "param", 400))


def names(opened) -> list[str]:
    rows = opened.find_elements(By.CSS_SELECTOR, ".runs tbody tr")
    return [row.find_element(By.TAG_NAME, "th").get_attribute("data-value") for row in rows if row.is_displayed()]


def head(opened, title: str):
    heads = opened.find_elements(By.CSS_SELECTOR, ".runs thead th")
    return next(each for each in heads if each.text.startswith(title))


@pytest.mark.parametrize("opened", [1280, 400], indirect=True)
def test_it_fits_and_loads_nothing(opened) -> None:
    run = opened.execute_script
    assert run("return performance.getEntriesByType('resource').filter(r => !r.name.startsWith('data:')).length") == 0
    assert run("return document.documentElement.scrollWidth <= innerWidth")


def test_a_heading_sorts_by_numbers_and_unknown_values_come_last(opened) -> None:
    assert names(opened) == ["wide", "small-0", "<b>poor"]
    column = head(opened, "train")
    button = column.find_element(By.TAG_NAME, "button")
    button.send_keys(Keys.ENTER)
    assert names(opened) == ["small-0", "wide", "<b>poor"]
    assert column.get_attribute("aria-sort") == "ascending"
    button.send_keys(Keys.SPACE)
    assert names(opened) == ["wide", "small-0", "<b>poor"]
    assert column.get_attribute("aria-sort") == "descending"
    head(opened, "Difference").find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    assert names(opened) == ["<b>poor", "small-0", "wide"]
    assert column.get_attribute("aria-sort") is None


def test_params_choose_rows_and_columns_can_go(opened) -> None:
    panel = opened.find_element(By.ID, "columns")
    panel.find_element(By.TAG_NAME, "summary").send_keys(Keys.ENTER)
    outside = "const edge = arguments[0].getBoundingClientRect().right; return [...arguments[0].querySelectorAll('*')]"
    outside += ".filter(each => each.getBoundingClientRect().right > edge + 1).map(each => each.outerHTML)"
    assert opened.execute_script(outside, panel.find_element(By.TAG_NAME, "fieldset")) == []
    select = Select(panel.find_element(By.CSS_SELECTOR, "[aria-label='Only runs with train.model']"))
    assert [option.text for option in select.options] == ["any", "cnn", "features"]
    select.select_by_visible_text("cnn")
    assert names(opened) == ["wide", "small-0"]
    assert opened.find_element(By.ID, "shown").text == "2 of 3 shown"
    select.select_by_visible_text("any")
    assert len(names(opened)) == 3
    box = next(label for label in panel.find_elements(By.TAG_NAME, "label") if label.text == "Seconds")
    box.find_element(By.TAG_NAME, "input").send_keys(Keys.SPACE)
    assert not opened.find_element(By.XPATH, "//thead//th[contains(., 'Seconds')]").is_displayed()
    assert "60" not in opened.find_element(By.CSS_SELECTOR, ".runs tbody tr").text.split()
