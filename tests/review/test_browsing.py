"""The review page in a real browser: keys, display, decisions in ``review.csv``."""

import contextlib
from types import SimpleNamespace

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from pixmill.core.files.workspace import Workspace
from pixmill.dataset.inbox import Inbox
from pixmill.local.private_server import PrivateServer, make_app
from pixmill.review.serving import ReviewSite
from tests.browsing import open_chrome
from tests.review.browsing import Page
from tests.review.conftest import Project, jpeg

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=\"document.title='owned'\">"


@pytest.fixture(scope="module")
def browser():
    with open_chrome() as driver:
        yield driver


@contextlib.contextmanager
def reviewed(project):
    """Serve the review of a project, and set its ``running``."""
    site = ReviewSite(Workspace(project.root, project.root), by="mk")
    with (
        site,
        PrivateServer(make_app(site.routes()), command="pixmill review", start="review/") as server,
    ):
        project.running = SimpleNamespace(address=server.new_address())
        yield project


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A served project with cases of several kinds."""
    project = Project(tmp_path_factory.mktemp("project"))
    project.names = {
        "torn": project.add(None, came_as=["coat", "shoe"], reason="label_conflict"),
        "copy a": project.add("coat", reason="label_conflict:x", pixels="e" * 64),
        "copy b": project.add("dress", reason="label_conflict:x", pixels="e" * 64),
        "near a": project.add("coat", urls=["javascript:alert(1)"]),
        "near b": project.add("dress", urls=["https://shop.test/b.jpg?a=<b>"]),
        "odd": project.fill("coat", 20)[-1],
        "small": project.add("shoe", reason="too_small"),
    }
    project.rows[project.names["odd"]] |= {"brightness": 1.0}
    project.link(project.names["near a"], project.names["near b"], 0.9987)
    for seen in project.sightings:
        seen["title"] = HOSTILE
    project.write()
    with reviewed(project):
        yield project


@pytest.fixture
def page(browser, served):
    return Page(browser, served)


def test_review_by_keyboard(page):
    assert page.text("done") == "0 of 5 decided, by mk"
    titles = []

    def title():
        titles.append(page.text("title"))

    # The order of the two conflicts depends on their ids.
    for _ in range(2):
        title()
        if len(page.cards()) == 1:
            page.press("k")
            assert page.text("relabel-title") == "Which label is right?"
            page.press("3")
            assert page.lines()["torn"] == "relabel,shoe,mk,"
        else:
            page.press("2", "k")
            second = {"copy a", "copy b"} & page.lines().keys()
            assert len(second) == 1
    title()
    assert page.text("done") == "2 of 5 decided, by mk"
    first, _ = (
        {name: word for word, name in page.project.names.items()}[name] for name in page.cards()
    )
    page.press("w", "same model,", ' "two" names', Keys.ENTER, "d")
    assert page.lines()[first] == 'drop,,mk,"same model, ""two"" names"'
    title()
    assert page.browser.find_element(By.ID, "reason").get_attribute("value") == ""
    assert "Unlike other images of 'coat': brightness" in page.text("why")
    page.press("d")
    assert page.lines()["odd"] == "drop,,mk,"
    title()
    page.press("k")
    assert page.lines()["small"] == "keep,,mk,"
    assert page.text("end-title") == "All cases are decided."
    assert page.text("done") == "5 of 5 decided, by mk"
    assert [text.partition(". ")[2] for text in titles] == [
        "Conflicting labels",
        "Conflicting labels",
        "Near-duplicates with different labels",
        "Outlier of its class",
        "Dropped: too_small",
    ]
    page.press("u", "u")
    assert page.text("title") == titles[3]
    assert not {"odd", "small"} & page.lines().keys()
    assert page.browser.get_log("browser") == []


def test_navigation_and_selection(page):
    page.press("p")
    assert page.text("status") == "This is the first case."
    page.press("n", "n")
    assert page.text("title").startswith("3. ")
    page.press(" ", "p")
    assert page.text("title").startswith("3. ")

    def chosen():
        return page.run(
            "[...document.querySelectorAll('.images .frame')].map(f => "
            "f.getAttribute('aria-pressed'))"
        )

    assert chosen() == ["true", "false"]
    page.press(Keys.ARROW_RIGHT)
    assert chosen() == ["false", "true"]
    page.press(Keys.ARROW_RIGHT, "9", "1")
    assert chosen() == ["true", "false"]
    page.browser.find_elements(By.CSS_SELECTOR, ".frame")[1].click()
    assert chosen() == ["false", "true"]
    page.press("?")
    assert page.browser.find_element(By.ID, "help").is_displayed()
    page.press("d", "n", Keys.ESCAPE)
    assert not page.browser.find_element(By.ID, "help").is_displayed()
    assert page.text("title").startswith("3. ")
    assert page.lines() == {}
    page.press("1", "o")
    assert sorted(page.lines().values()) == ["drop,,mk,", "keep,,mk,"]
    page.press("p", "K", "p")
    page.button("relabel").click()
    next(
        item
        for item in page.browser.find_elements(By.CSS_SELECTOR, "#classes button")
        if "shoe" in item.text
    ).click()
    page.rest()
    assert sorted(page.lines().values()) == ["keep,,mk,", "relabel,shoe,mk,"]


def test_untrusted_text_is_escaped(page):
    page.press("n", "n")
    assert page.browser.title == "Review \u00b7 Pixmill"
    assert HOSTILE in page.browser.find_element(By.CSS_SELECTOR, ".facts").text
    links = [
        item.get_attribute("href")
        for item in page.browser.find_elements(By.CSS_SELECTOR, "main a[target]")
    ]
    assert links == ["https://shop.test/b.jpg?a=%3Cb%3E"]
    assert page.run("document.querySelector('#case a[target]').rel") == "noopener noreferrer"


def test_accessible_to_screen_readers(page):
    page.press("n", "n")
    nameless = page.run(
        "[...document.querySelectorAll('button, input, img')].filter(e => !(e.textContent.trim() "
        "|| e.alt || "
        "e.getAttribute('aria-label') || e.labels?.length)).length"
    )
    assert nameless == 0
    assert page.run("document.documentElement.lang") == "en"
    assert page.text("status") == "Case 3 of 5: Near-duplicates with different labels."
    frame = "document.querySelectorAll('.images .frame')[1]"
    page.browser.execute_script(f"{frame}.focus()")
    page.press("2", "k")
    assert page.run("document.activeElement.closest('.chosen') !== null")
    page.browser.execute_script("document.querySelector('#kinds button').focus()")
    page.press(Keys.ENTER)
    assert page.text("title").startswith("1. ")
    assert page.run("document.activeElement.getAttribute('aria-current')") == "true"


def test_fits_small_and_large_screens(page):
    try:
        for width, height in ((320, 640), (1280, 900)):
            page.browser.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride",
                {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
            )
            for _ in range(5):
                assert page.run("document.documentElement.scrollWidth") <= width
                frames = page.run(
                    "[...document.querySelectorAll('.frame')].every(f => "
                    "f.querySelector('img').getBoundingClientRect()"
                    ".bottom <= f.getBoundingClientRect().bottom + 1)"
                )
                assert frames
                page.press("n")
            page.press("p", "p", "p", "p", "p", "?")
            assert page.run("document.documentElement.scrollWidth") <= width
            page.press(Keys.ESCAPE)
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_feedback_is_accepted_by_key(browser, tmp_path):
    project = Project(tmp_path)
    known = jpeg(901)
    project.names = {"known": project.add("coat", content=known)}
    project.write()
    inbox = Inbox(tmp_path / "inbox")
    prediction = {"label": "coat", "confidence": 0.6, "sure": False}
    for content, label in ((known, "dress"), (jpeg(900), HOSTILE), (jpeg(902), "shoe")):
        inbox.add(
            content, extension=".jpg", prediction=prediction, label=label, model={"name": HOSTILE}
        )
    with reviewed(project):
        page = Page(browser, project)
        seen = {}
        for _ in range(3):
            seen[page.button("keep").text.removesuffix(" k")] = page.text("title").partition(". ")[
                2
            ]
            if page.button("keep").text.startswith("Keep"):
                assert page.button("accept").text == "Relabel to 'dress' a"
                page.press("a")
            else:
                page.press("k")
                if page.run("document.getElementById('relabel').open"):
                    page.press("3")
        new = "Feedback: new image"
        assert seen == {"Keep": "Feedback: known image", "Accept as…": new, "Accept as 'shoe'": new}
        assert page.lines() == {"known": "relabel,dress,mk,"}
        assert len(list((tmp_path / "data/shoe").iterdir())) == 2
        assert "git add data.dvc review.csv" in browser.find_element(By.TAG_NAME, "pre").text
        badges = []
        for _ in range(3):
            page.press("p")
            badges.append(browser.find_element(By.CSS_SELECTOR, ".badge").text)
        assert sorted(badges) == ["moved to data, as shoe · mk"] * 2 + ["relabel to dress · mk"]
        assert browser.title == "Review · Pixmill"
        assert browser.get_log("browser") == []


def test_enter_in_the_dialog_of_labels_decides_nothing(page):
    while len(page.cards()) == 2 or "Conflicting" not in page.text("title"):
        page.press("n")
    page.press("k")
    assert page.browser.find_element(By.ID, "relabel").is_displayed()
    page.press(Keys.ENTER)
    assert not page.browser.find_element(By.ID, "relabel").is_displayed()
    assert page.lines() == {}
