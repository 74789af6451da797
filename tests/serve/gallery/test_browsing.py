"""The gallery in a real browser, by mouse and keyboard."""

from functools import partial

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from pixmill.core.words import shorten
from pixmill.serve.predict.gallery.report import render_gallery
from tests.browsing import show
from tests.serve.gallery.made import model, row, unread
from tests.serve.gallery.test_page import jpeg

pytestmark = pytest.mark.browser

LABELS = (
    "coat",
    "shoe",
    "a class with a name that is longer than any phone is wide, " + "really" * 20,
)
N = 48


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    contents = {f"photos/of/a/camera/{number}.jpg": jpeg(number) for number in range(N)}
    rows = [
        row(
            LABELS,
            0,
            [1.0 + (number % 3 == place) * number for place in range(3)],
            path=path,
            content=content,
        )
        for number, (path, content) in enumerate(contents.items())
    ]
    rows.append(unread("photos/broken.jpg", "truncated"))
    path = tmp_path_factory.mktemp("gallery") / "gallery.html"
    path.write_text(
        render_gallery(rows, model(LABELS), content=contents.get, workers=1), encoding="utf-8"
    )
    return path


@pytest.fixture
def opened(browser, page):
    """Open the gallery in a window of a given width."""
    return partial(show, browser, page)


def enlarged(browser):
    """Return the lines of the dialog's text, without its buttons."""
    dialog = browser.find_element(By.TAG_NAME, "dialog")
    assert dialog.get_attribute("open") is not None
    return [
        part.text
        for part in dialog.find_elements(
            By.CSS_SELECTOR, "p strong, p .path, .bars .name, .bars .number"
        )
    ]


def test_unfolds_classes_and_enlarges_images(opened):
    browser = opened(1280)
    folded = browser.find_element(By.CSS_SELECTOR, "details.class")
    image = folded.find_element(By.CSS_SELECTOR, "figure img")
    assert not image.is_displayed()
    folded.find_element(By.TAG_NAME, "summary").send_keys(Keys.ENTER)
    assert image.is_displayed()
    image.click()
    label, path, *probabilities = enlarged(browser)
    figure = folded.find_element(By.TAG_NAME, "figure")
    assert figure.find_element(By.TAG_NAME, "strong").text.startswith(label[:10])
    assert path == figure.find_element(By.CLASS_NAME, "path").get_attribute("title")
    assert sorted(probabilities[::2]) == sorted(shorten(name, 100) for name in LABELS)
    assert probabilities[0].startswith(label[:10])
    shares = [float(text.removesuffix(" %")) for text in probabilities[1::2]]
    assert shares == sorted(shares, reverse=True)
    assert abs(sum(shares) - 100) < 0.3
