"""The review page in a real browser: a case by key, the grid, undo, hostile text."""

import contextlib
from types import SimpleNamespace

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from starlette.responses import JSONResponse
from starlette.routing import Route

from pixmill.core.decisions import read_rows
from pixmill.core.files.workspace import Workspace
from pixmill.dataset.inbox import Inbox
from pixmill.local.private_server import PrivateServer, make_app
from pixmill.review.grid.images import ImageTable
from pixmill.review.serving import ReviewSite
from tests.browsing import open_chrome
from tests.review.browsing import Page
from tests.review.conftest import LABELS_PARAMS, Project, fill, jpeg

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=\"document.title='owned'\">"


@pytest.fixture(scope="module")
def browser():
    with open_chrome() as driver:
        yield driver


@pytest.fixture(scope="module", autouse=True)
def _without_features():
    """TensorFlow converts the backbone, which takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageTable, "_compute", lambda _: None)
        yield


@contextlib.contextmanager
def reviewed(project, by="mk"):
    """Serve the review of a project, and set its ``running``."""
    site = ReviewSite(Workspace(project.root, project.root), by=by)
    started = []
    start = Route("/pipeline/start", lambda _: JSONResponse(started.append(1)), methods=["POST"])
    app = make_app([*site.routes(), start])
    with site, PrivateServer(app, command="pixmill review", start="review/") as server:
        project.running = SimpleNamespace(address=server.new_address(), started=started)
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
        titles.append(page.text("title").partition(". ")[2])

    # The order of the two conflicts depends on their ids.
    for _ in range(2):
        title()
        if len(page.cards()) == 1:
            page.press("k", "3")
            assert page.said()["torn"] == {"yes shoe", "keep"}
        else:
            page.press("2", "k")
            assert len({"copy a", "copy b"} & page.said().keys()) == 1
    title()
    assert page.text("done") == "2 of 5 decided, by mk"
    names = {name: word for word, name in page.project.names.items()}
    first = names[page.cards()[0]]
    page.press("w", "same model,", ' "two" names', Keys.ENTER, "d")
    assert page.said()[first] == {"drop"}
    assert '"same model, ""two"" names"' in page.project.decisions.read_text()
    title()
    assert page.browser.find_element(By.ID, "reason").get_attribute("value") == ""
    page.press("d")
    title()
    page.press("k")
    assert (page.said()["odd"], page.said()["small"]) == ({"drop"}, {"keep"})
    assert page.text("end-title") == "5 of 5 done."
    assert titles == [
        "Conflicting labels",
        "Conflicting labels",
        "Near-duplicates with different labels",
        "Outlier of its class",
        "Dropped: too_small",
    ]
    page.press("u", "u")
    assert page.text("title").partition(". ")[2] == titles[3]
    assert not {"odd", "small"} & page.said().keys()
    assert page.browser.get_log("browser") == []


def test_navigation_and_selection(page):
    page.press("p")
    assert page.text("status") == "This is the first case."
    page.press("n", "n", " ", "p")
    assert page.text("title").startswith("3. ")

    def chosen():
        return page.run(
            "[...document.querySelectorAll('.images .frame')].map(f => "
            "f.getAttribute('aria-pressed')).indexOf('true')"
        )

    assert chosen() == 0
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, "9")
    assert chosen() == 1
    page.press("1")
    assert chosen() == 0
    page.browser.find_elements(By.CSS_SELECTOR, ".frame")[1].click()
    assert chosen() == 1
    page.press("?")
    assert page.browser.find_element(By.ID, "help").is_displayed()
    page.press("d", "n", Keys.ESCAPE)
    assert page.text("title").startswith("3. ")
    page.press("r", Keys.ENTER)  # decides nothing
    assert not page.browser.find_element(By.ID, "labels").is_displayed()
    assert page.said() == {}
    page.press("1", "o")
    assert sorted(map(sorted, page.said().values())) == [["drop"], ["keep"]]
    page.press("p", "K", "p")
    page.button("relabel").click()
    page.browser.find_element(By.CSS_SELECTOR, "#found [data-label=shoe]").click()
    page.rest()
    assert sorted(map(sorted, page.said().values())) == [["keep"], ["keep", "yes shoe"]]


def test_untrusted_text_is_escaped(page):
    page.press("n", "n")
    assert page.browser.title == "Review \u00b7 Pixmill"
    assert HOSTILE in page.browser.find_element(By.CSS_SELECTOR, ".facts").text
    links = [
        item.get_attribute("href")
        for item in page.browser.find_elements(By.CSS_SELECTOR, "#case a[target]")
    ]
    assert links == ["https://shop.test/b.jpg?a=%3Cb%3E"]
    assert page.run("document.querySelector('#case a[target]').rel") == "noopener noreferrer"


def test_accessible_to_screen_readers(page):
    page.press("n", "n")
    nameless = page.run(
        "[...document.querySelectorAll('button, input, img')].filter(e => !(e.textContent.trim() "
        "|| e.alt || e.getAttribute('aria-label') || e.labels?.length)).length"
    )
    assert nameless == 0
    assert page.text("status") == "Case 3 of 5: Near-duplicates with different labels."
    frame = "document.querySelectorAll('.images .frame')[1]"
    page.browser.execute_script(f"{frame}.focus()")
    page.press("2", "k")
    assert page.run("document.activeElement.closest('.chosen') !== null")


def test_fits_small_and_large_screens(page):
    try:
        for width, height in ((320, 640), (1280, 900)):
            page.browser.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride",
                {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
            )
            for _ in range(5):
                assert page.run("document.documentElement.scrollWidth") <= width
                page.press("n")
            page.browser.execute_script("location.hash = '#scope=all&sort=files'")
            page.until(lambda _: page.run("document.querySelectorAll('#sections button').length"))
            assert page.run("document.documentElement.scrollWidth") <= width
            page.browser.execute_script("location.hash = ''")
            page.rest()
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
        name = inbox.add(
            content, extension=".jpg", prediction=prediction, label=label, model={"name": HOSTILE}
        )
        project.names.setdefault(label, name)
    with reviewed(project):
        page = Page(browser, project)
        seen = set()
        for _ in range(3):
            seen.add(page.button("keep").text.removesuffix(" k"))
            if page.button("keep").text.startswith("Keep"):
                assert page.button("accept").text == "Relabel to 'dress' a"
                page.press("a")
            else:
                page.press("k")
                if page.run("document.getElementById('labels').open"):
                    page.press("3")
        assert seen == {"Keep", "Accept as…", "Accept as 'shoe'"}
        assert len(list((tmp_path / "data/shoe").iterdir())) == 2
        assert len(page.said()) == 3
        assert "git add data.dvc decisions.csv" in page.run(
            "document.querySelector('pre').textContent"
        )
        badges = []
        for _ in range(3):
            page.press("p")
            badges.append(browser.find_element(By.CSS_SELECTOR, ".badge").text)
        assert sorted(badges) == ["added to the images, as shoe · mk"] * 2 + ["labelled dress · mk"]
        page.press("u", "u", "u")
        assert (page.said(), [*(tmp_path / "data/shoe").iterdir()]) == ({}, [])
        assert browser.title == "Review · Pixmill"
        assert browser.get_log("browser") == []


class Grid(Page):
    """The grid of 60 unlabelled images without features."""

    def __init__(self, browser, project):
        self.browser = browser
        self.project = project
        self.open(project.running.address)
        browser.get_log("browser")

    def open(self, address):
        self.browser.get(address)
        self.until(lambda _: self.run("document.body.dataset.view"))
        self.browser.execute_script("location.hash = '#scope=unlabelled'")
        self.until(lambda _: self.run("document.querySelectorAll('#sections button').length") == 1)
        self.until(
            lambda _: self.run(
                "[...document.querySelectorAll('.cell:not([hidden]) img')].every(i => "
                "i.naturalWidth)"
            )
        )

    def press(self, *keys):
        for key in keys:
            ActionChains(self.browser).send_keys(key).perform()

    def select_all(self):
        actions = ActionChains(self.browser).send_keys(Keys.HOME).key_down(Keys.SHIFT)
        actions.send_keys(Keys.END).key_up(Keys.SHIFT).perform()

    def text(self, name):
        return self.run(f"document.getElementById('{name}').textContent")

    def labelled(self, count):
        """Wait until the page shows this number of labels, and return them."""
        self.until(lambda _: self.text("counts").startswith(f"{count} label"))
        assert self.text("alert") == ""
        said = self.project.said()
        return sorted(label for _, answer, label, _ in said if answer == "yes")

    def drag(self, left, top, right, bottom):
        """Drag from one place of the scroller to another."""
        box = self.run(
            "(({x, y}) => [x, y])(document.getElementById('scroller').getBoundingClientRect())"
        )
        actions = ActionChains(self.browser)
        pointer = actions.w3c_actions.pointer_action
        pointer.move_to_location(int(box[0] + left), int(box[1] + top)).pointer_down()
        pointer.move_to_location(int(box[0] + right), int(box[1] + bottom)).pointer_up()
        actions.perform()


@pytest.fixture
def grid(browser, tmp_path):
    fill(tmp_path, *(f"unlabelled/{number}.jpg" for number in range(60)))
    with reviewed(Project(tmp_path), by=HOSTILE) as project:
        yield Grid(browser, project)


def test_labels_are_given_by_keys_and_kept(grid):
    before = sorted(grid.project.root.glob("data/**/*"))
    grid.press("1")
    assert grid.labelled(1) == ["coat"]
    grid.press("2")
    assert grid.labelled(2) == ["coat", "dress"]
    grid.press(Keys.SPACE, Keys.ARROW_RIGHT, Keys.SPACE, Keys.ARROW_LEFT)
    assert grid.text("status") == "2 images selected."
    grid.press("3")
    assert grid.labelled(4) == ["coat", "dress", "shoe", "shoe"]
    grid.press("z")
    assert grid.labelled(2) == ["coat", "dress"]
    grid.press("/", *"cap", Keys.ENTER)
    assert grid.labelled(3) == ["cap", "coat", "dress"]
    grid.press("x")
    grid.until(lambda _: "1 dropped" in grid.text("counts"))
    grid.browser.refresh()
    assert grid.labelled(3) == ["cap", "coat", "dress"]
    buttons = grid.browser.find_elements(By.CSS_SELECTOR, "#classes button")
    assert [button.text.split()[0] for button in buttons] == ["coat", "dress", "shoe", "cap"]
    assert sorted(grid.project.root.glob("data/**/*")) == before
    assert grid.browser.title == "Label · Pixmill"
    assert HOSTILE in grid.text("counts")
    assert grid.run("document.getElementById('scroller').scrollTop") == 0
    grid.select_all()
    grid.press("1")
    grid.until(lambda _: "20 of 20" in grid.text("empty"))
    grid.press(Keys.ENTER)
    grid.until(lambda _: "40" in grid.text("sections"))
    grid.press(Keys.END, "a", "2")
    grid.until(lambda _: "All labelled" in grid.text("empty"))
    said = grid.project.said()
    grid.press("3")
    assert grid.project.said() == said
    assert grid.browser.get_log("browser") == []
    grid.press(Keys.ENTER)
    grid.until(lambda _: grid.browser.current_url.endswith("/#start"))
    assert grid.project.running.started == [1]


def test_selections(grid):
    grid.press("a")  # The random sample has no order.
    grid.drag(4, 50, 300, 120)
    assert grid.text("status") == "3 images selected."
    grid.browser.execute_script("location.hash = '#scope=all&sort=files'")
    grid.until(lambda _: "60" in grid.text("sections"))
    grid.press(Keys.ARROW_DOWN, "a")
    first = (
        "[...document.querySelectorAll('.cell:not([hidden])')].filter(cell => cell.style.top "
        "=== '44px')"
    )
    columns = grid.run(f"{first}.length")
    assert grid.text("status") == f"{2 * columns} images selected."
    grid.press(Keys.SPACE)
    assert grid.text("status") == f"{2 * columns - 1} images selected."
    grid.press("2")
    assert grid.labelled(2 * columns - 1) == ["dress"] * (2 * columns - 1)


def test_a_refused_action_is_taken_back(grid):
    (grid.project.root / "params.yaml").write_text("classes: [coat\n")
    grid.press("/", *"cap", Keys.ENTER)
    grid.until(lambda _: grid.text("alert"))
    assert "params.yaml" in grid.text("alert")
    assert grid.run("document.querySelectorAll('#sections button')[0].textContent").endswith(" 20")


def test_keys_answer_yes_and_no_for_each_of_several_labels(browser, tmp_path):
    project = Project(tmp_path, LABELS_PARAMS)
    first, second = sorted((project.add('{"dark":true}'), project.add('{"sleeves":false}')))
    project.names = {"first": first, "second": second}
    project.doubt([(first, "long", "yes"), (second, "long", "yes"), (second, "dark", "yes")])
    project.write()
    with reviewed(project):
        page = Page(browser, project)
        assert page.text("title") == "1. Does it show 'long'?"
        page.press("y", "n", " ")
        assert page.said() == {"first": {"yes long"}, "second": {"no long"}}
        assert page.text("end-title") == "3 of 3 done."
        page.press("u", "u")
        assert page.said() == {"first": {"yes long"}}
        browser.execute_script("location.hash = '#scope=all&sort=files&focus=sleeves'")
        page.until(lambda _: page.run("document.querySelectorAll('.cell:not([hidden])').length"))

        def tiles(*texts):
            shown = "[...document.querySelectorAll('.cell:not([hidden]) .caption')]"
            page.until(
                lambda _: page.run(f"{shown}.map(each => each.textContent).sort()") == [*texts]
            )

        tiles("dark, long", "✕ sleeves")
        actions = ActionChains(browser).send_keys(Keys.HOME).key_down(Keys.SHIFT)
        actions.send_keys(Keys.END).send_keys("3").key_up(Keys.SHIFT).perform()
        tiles("dark, long, ✕ sleeves", "✕ sleeves")
        page.until(lambda _: len(read_rows(project.decisions)) == 3)
        assert page.said() == {"first": {"yes long", "no sleeves"}, "second": {"no sleeves"}}
        page.press(Keys.HOME)
        # In German, Shift and 3 may be a key of the page, as Shift and 7 is.
        page.run(
            "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', "
            "{key: '/', code: 'Digit3', shiftKey: true, bubbles: true}))"
        )
        assert not page.run("document.getElementById('labels').open")
        tiles("dark, long", "✕ sleeves")  # it had said no: taken back
        page.press("3")
        tiles("dark, long, sleeves", "✕ sleeves")
        page.press("3")  # once more takes it back
        tiles("dark, long", "✕ sleeves")
        page.press("z", "z", "z", "z")
        page.until(lambda _: page.said() == {"first": {"yes long"}})
        assert browser.get_log("browser") == []
