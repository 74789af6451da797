"""Pages of a comparison and of runs in a real browser, on a screen and on a phone."""

from dataclasses import replace

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from pixmill.experiments.compare.page import choose_images, render_page
from pixmill.experiments.compare.ranking_report import render_ranking
from tests.browsing import show
from tests.experiments.compare.compared import comparison
from tests.experiments.compare.ranked import ranking

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "compare.html"
    made = comparison(images=True)
    path.write_text(render_page(made, choose_images(made)), encoding="utf-8")
    return path


@pytest.fixture(params=[1280, 400])
def opened(browser, page, request):
    return show(browser, page, request.param)


def test_page_fits_is_self_contained_and_has_keyboard_access(opened):
    run = opened.execute_script
    assert (
        run(
            "return performance.getEntriesByType('resource').filter(r => "
            "!r.name.startsWith('data:')).length"
        )
        == 0
    )
    assert run("return document.documentElement.scrollWidth <= innerWidth")
    assert run("return [...document.querySelectorAll('svg')].every(svg => svg.ariaLabel)")
    keys = ActionChains(opened)
    for _ in range(12):
        keys.send_keys(Keys.TAB).perform()
        if run("return document.activeElement.hash") == "#flips":
            break
    keys.send_keys(Keys.ENTER).send_keys(Keys.TAB).perform()
    assert run("return document.activeElement.alt") == "coat: before coat, now shirt"
    keys.send_keys(Keys.ENTER).perform()
    dialog = opened.find_element(By.TAG_NAME, "dialog")
    assert dialog.get_attribute("open") is not None
    assert "now: ✗ shirt" in dialog.text


@pytest.fixture(scope="module")
def runs_page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "runs.html"
    made = ranking()
    long = {f"train.z{'augmentation' * 3}.{'brightness_' * 4}": ["flip", "rotate"] * 9}
    rows = tuple(replace(row, params={**row.params, **long}) for row in made.rows)
    path.write_text(render_ranking(replace(made, rows=rows)), encoding="utf-8")
    return path


@pytest.fixture
def runs(browser, runs_page, request):
    """The table of runs in a window of a given width; default: 400 pixels."""
    return show(browser, runs_page, getattr(request, "param", 400))


def names(runs) -> list[str]:
    rows = runs.find_elements(By.CSS_SELECTOR, ".runs tbody tr")
    return [
        row.find_element(By.TAG_NAME, "th").get_attribute("data-value")
        for row in rows
        if row.is_displayed()
    ]


def head(runs, title: str):
    heads = runs.find_elements(By.CSS_SELECTOR, ".runs thead th")
    return next(each for each in heads if each.text.startswith(title))


@pytest.mark.parametrize("runs", [1280, 400], indirect=True)
def test_runs_table_fits_and_is_self_contained(runs) -> None:
    run = runs.execute_script
    assert (
        run(
            "return performance.getEntriesByType('resource').filter(r => "
            "!r.name.startsWith('data:')).length"
        )
        == 0
    )
    assert run("return document.documentElement.scrollWidth <= innerWidth")


def test_sorts_by_number_with_unknown_values_last(runs) -> None:
    assert names(runs) == ["wide", "small-0", "<b>poor"]
    column = head(runs, "train")
    button = column.find_element(By.TAG_NAME, "button")
    button.send_keys(Keys.ENTER)
    assert names(runs) == ["small-0", "wide", "<b>poor"]
    assert column.get_attribute("aria-sort") == "ascending"
    button.send_keys(Keys.SPACE)
    assert names(runs) == ["wide", "small-0", "<b>poor"]
    assert column.get_attribute("aria-sort") == "descending"
    head(runs, "Difference").find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    assert names(runs) == ["<b>poor", "small-0", "wide"]
    assert column.get_attribute("aria-sort") is None


def test_filters_rows_and_hides_columns(runs) -> None:
    panel = runs.find_element(By.ID, "columns")
    panel.find_element(By.TAG_NAME, "summary").send_keys(Keys.ENTER)
    outside = (
        "const edge = arguments[0].getBoundingClientRect().right; return "
        "[...arguments[0].querySelectorAll('*')]"
    )
    outside += (
        ".filter(each => each.getBoundingClientRect().right > edge + 1).map(each => each.outerHTML)"
    )
    assert runs.execute_script(outside, panel.find_element(By.TAG_NAME, "fieldset")) == []
    select = Select(
        panel.find_element(By.CSS_SELECTOR, "[aria-label='Only runs with train.model']")
    )
    assert [option.text for option in select.options] == ["any", "cnn", "features"]
    select.select_by_visible_text("cnn")
    assert names(runs) == ["wide", "small-0"]
    assert runs.find_element(By.ID, "shown").text == "2 of 3 shown"
    select.select_by_visible_text("any")
    assert len(names(runs)) == 3
    box = next(
        label for label in panel.find_elements(By.TAG_NAME, "label") if label.text == "Seconds"
    )
    box.find_element(By.TAG_NAME, "input").send_keys(Keys.SPACE)
    assert not runs.find_element(By.XPATH, "//thead//th[contains(., 'Seconds')]").is_displayed()
    assert "60" not in runs.find_element(By.CSS_SELECTOR, ".runs tbody tr").text.split()
