"""The grid in a real browser: keys, frame, undo, and an error of the server."""

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from pixmill.core.files.workspace import Workspace
from pixmill.local.private_server import PrivateServer, make_app
from pixmill.review.grid.pile import Pile
from pixmill.review.serving import ReviewSite
from tests.browsing import open_chrome
from tests.review.conftest import jpeg

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=\"document.title='owned'\">"


class Page:
    """The grid of 60 unlabelled images without features.

    Args:
        browser: The browser.
        root: Project folder.
    """

    def __init__(self, browser, root):
        self.browser = browser
        self.root = root

    def open(self, address):
        self.browser.get(address)
        self.until(lambda: self.run("document.querySelectorAll('#sections button').length") == 2)
        self.until(
            lambda: self.run(
                "[...document.querySelectorAll('.cell:not([hidden]) img')].every(i => "
                "i.naturalWidth)"
            )
        )

    def until(self, condition):
        WebDriverWait(self.browser, 60, poll_frequency=0.05).until(lambda _: condition())

    def run(self, script):
        return self.browser.execute_script(f"return {script}")

    def press(self, *keys):
        for key in keys:
            ActionChains(self.browser).send_keys(key).perform()

    def text(self, name):
        return self.run(f"document.getElementById('{name}').textContent")

    def labelled(self, count):
        """Wait until the page shows this number of labels, and return the labelled files."""
        self.until(lambda: self.text("counts").startswith(f"{count} label"))
        assert self.text("alert") == ""
        return sorted(
            path.parent.name
            for path in self.root.glob("data/*/*.jpg")
            if path.parent.name != "unlabelled"
        )

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
def page(tmp_path, monkeypatch):
    # TensorFlow converts the backbone, which takes seconds.
    monkeypatch.setattr(Pile, "_compute", lambda _: None)
    folder = tmp_path / "data/unlabelled"
    folder.mkdir(parents=True)
    for number in range(60):
        (folder / f"{number}.jpg").write_bytes(jpeg(number))
    (tmp_path / "params.yaml").write_text(
        "classes: [coat, dress, shoe]\nscrape: {source: folder, snapshot: '2026-11-20'}\n"
    )
    site = ReviewSite(Workspace(tmp_path, tmp_path), by=HOSTILE)
    assert site.begin()
    server = PrivateServer(make_app(site.routes()), command="pixmill review", start=site.start)
    with open_chrome() as browser, site, server:
        shown = Page(browser, tmp_path)
        shown.open(server.new_address())
        yield shown


def test_labels_are_given_by_keys_and_kept(page):
    page.press("1", "2")
    assert page.labelled(2) == ["coat", "dress"]
    page.press(Keys.SPACE, Keys.ARROW_RIGHT, Keys.SPACE, Keys.ARROW_LEFT)
    assert page.text("status") == "2 images selected."
    page.press("3")
    assert page.labelled(4) == ["coat", "dress", "shoe", "shoe"]
    page.press("z")
    assert page.labelled(2) == ["coat", "dress"]
    page.press("/", *"cap", Keys.ENTER)
    assert page.labelled(3) == ["cap", "coat", "dress"]
    page.press("x")
    page.until(lambda: "1 dropped" in page.text("counts"))
    page.open(page.browser.current_url)
    assert page.labelled(3) == ["cap", "coat", "dress"]
    assert [
        button.text.split()[0]
        for button in page.browser.find_elements(By.CSS_SELECTOR, "#classes button")
    ] == [
        "coat",
        "dress",
        "shoe",
        "cap",
    ]
    assert page.browser.title == "Label · Pixmill"
    assert HOSTILE in page.text("counts")
    assert page.browser.get_log("browser") == []


def test_selections(page):
    page.drag(4, 50, 300, 120)
    assert page.text("status") == "3 images selected."
    page.press(Keys.ESCAPE, Keys.ARROW_DOWN, "a")
    first = (
        "[...document.querySelectorAll('.cell:not([hidden])')].filter(cell => cell.style.top "
        "=== '44px')"
    )
    columns = page.run(f"{first}.length")
    assert page.text("status") == f"{2 * columns} images selected."
    page.press(Keys.SPACE)
    assert page.text("status") == f"{2 * columns - 1} images selected."
    page.press("2")
    assert page.labelled(2 * columns - 1) == ["dress"] * (2 * columns - 1)


def test_a_refused_action_is_taken_back(page):
    (page.root / "params.yaml").write_text("classes: [coat\n")
    page.press("/", *"cap", Keys.ENTER)
    page.until(lambda: page.text("alert"))
    assert "params.yaml" in page.text("alert")
    assert page.run("document.querySelectorAll('#sections button')[0].textContent").endswith(" 20")
