"""The forms of the actions in a real browser."""

import sys
from pathlib import Path

import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from pixmill.local.private_server import PrivateServer, make_app
from pixmill.project.page.adding import Adding
from pixmill.project.page.home import Home, routes
from pixmill.project.page.jobs import Job
from tests.browsing import open_chrome
from tests.dataset.test_corrections_file import document, write
from tests.tiny_project import copy_project
from tests.version_control import PERSON, git

pytestmark = pytest.mark.browser

PARAMS = "classes: [cat, dog]  # two\nscrape: {snapshot: '2026-11-20'}\ntrain:\n  model: cnn\n  epochs: 3  # few\n"

LIST = (
    "import pathlib, sys; print(sorted(each.name for each in "
    "pathlib.Path(sys.argv[1]).rglob('*.*')), sys.argv[2:])"
)


class Page:
    """The page in the browser."""

    def __init__(self, browser, root):
        self.browser = browser
        self.root = root

    def until(self, condition):
        # A part may be drawn again between finding and using it.
        wait = WebDriverWait(
            self.browser, 60, poll_frequency=0.1, ignored_exceptions=[WebDriverException]
        )
        return wait.until(lambda _: condition())

    def find(self, selector):
        return self.until(lambda: self.browser.find_elements(By.CSS_SELECTOR, selector))[0]

    def unfold(self, part):
        self.click(f"#{part}-part > details > summary")

    def type(self, selector, text):
        def enter():
            field = self.browser.find_element(By.CSS_SELECTOR, selector)
            field.clear()
            field.send_keys(text)
            return True

        self.until(enter)

    def click(self, selector):
        def press():
            button = self.browser.find_element(By.CSS_SELECTOR, selector)
            if is_ready := button.is_enabled():
                button.click()
            return is_ready

        self.until(press)

    def drop(self, selector, *paths):
        place = self.find(selector)
        self.browser.execute_script("arguments[0].scrollIntoView({ block: 'center' })", place)
        box = self.browser.execute_script(
            "return arguments[0].getBoundingClientRect().toJSON()", place
        )
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            event = {"type": kind, "x": box["x"] + 5, "y": box["y"] + 5, "data": data}
            self.browser.execute_cdp_cmd("Input.dispatchDragEvent", event)


@pytest.fixture
def page(tiny_project, tmp_path, monkeypatch):
    for name, value in PERSON.items():
        monkeypatch.setenv(name, value)
    root = copy_project(tiny_project, tmp_path / "pets")
    (root / "params.yaml").write_text(PARAMS)
    home = Home(root, Job(root, "dvc repro"), Job(root, "pixmill compare"))
    home.actions.adding = Adding(root, Job(root, "pixmill import", [sys.executable, "-c", LIST]))
    with (
        PrivateServer(make_app(routes(home)), command="pixmill open") as server,
        open_chrome() as browser,
    ):
        browser.get(server.new_address())
        yield Page(browser, root)
        assert browser.get_log("browser") == []


def test_params_commit_and_added_images(page):
    params = page.root / "params.yaml"
    # A wrong value is explained, and cannot be saved.
    page.unfold("params")
    page.type("[id='param-train.epochs']", "many")
    page.until(
        lambda: "expected a whole number" in page.find("[id='param-train.epochs-error']").text
    )
    assert not page.find("#params-save").is_enabled()
    page.type("[id='param-train.epochs']", "4")
    page.click("#params-save")
    page.until(lambda: params.read_text() == PARAMS.replace("epochs: 3", "epochs: 4"))
    page.click("#params-undo")
    page.until(lambda: params.read_text() == PARAMS)
    page.unfold("params")  # It folds when saved.
    page.until(lambda: page.find("[id='param-train.epochs']").get_property("value") == "3")

    # A recipe is taken and undone, too.
    page.click("[aria-describedby=recipe-fast]")
    page.until(lambda: "model: features" in params.read_text())
    page.unfold("params")
    page.until(lambda: page.browser.find_elements(By.CSS_SELECTOR, "[aria-pressed=true]"))
    assert not page.browser.find_elements(By.CSS_SELECTOR, "[id='param-train.epochs']")
    page.unfold("params")
    page.click("#params-undo")
    page.until(lambda: params.read_text() == PARAMS)

    # The listed files are committed.
    page.unfold("commit")
    assert page.find("#commit-part .files").text == "params.yaml"
    page.type("#commit-message", "Use two classes")
    page.click("#commit-part button.good")
    page.until(lambda: git(page.root, "log", "-1", "--format=%s") == "Use two classes")
    page.until(lambda: not page.browser.find_elements(By.CSS_SELECTOR, "#commit-part *"))

    # Files and folders are dropped onto a class, or onto the choice that folders name them.
    photos = Path(page.root.parent, "photos", "old")
    photos.mkdir(parents=True)
    for name in ("1.png", "é <b>.png"):
        (photos / name).write_bytes(b"an image")
    page.unfold("add")
    page.drop("[name=add-label][value=dog]", photos)
    page.until(lambda: page.find("#added").text == "['1.png', 'é <b>.png'] ['--label=dog']")
    page.drop("[name=add-label][value='']", photos / "1.png", photos.parent)
    page.until(lambda: page.find("#added").text == "['1.png', '1.png', 'é <b>.png'] []")
    page.type("#new-class", "owl")
    page.drop("[name=add-label][value='+']", photos / "1.png")
    page.until(lambda: page.find("#added").text == "['1.png'] ['--label=owl']")

    # What misses a class, and corrections dropped anywhere, say their classes themselves.
    page.drop("#add-part legend", photos / "1.png")
    page.until(lambda: page.find("#added").text == "['1.png'] []")
    file = write(photos / "corrections.zip", {"1.png": b"an image"}, document(["1.png"]))
    page.drop("#next-title", file)
    page.until(lambda: page.find("#added").text == "[] []")
