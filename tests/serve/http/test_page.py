"""The page in a real browser with a real server."""

import contextlib
import hashlib
import io
import itertools
import json
import shutil
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from pixmill.core.files.writing import read_json, write_json
from pixmill.core.params import SplitParams
from pixmill.core.words import percent
from pixmill.images.compute import RowLimits
from pixmill.models.classifier import Classifier
from pixmill.split.packing import pack
from tests.browsing import open_chrome
from tests.servers import Handler, serve

pytestmark = pytest.mark.browser

SERVER = """
import sys
from pathlib import Path
from pixmill.serve.http.server import Settings, run
from pixmill.fetch import Network
root, port, keys, held = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
settings = Settings(
    root=root, workers=1, held_bytes=held, inbox=root / "inbox", inbox_bytes=500_000, url_rate=60,
    keys=tuple(filter(None, [keys])),
)
network = Network(served={"images.test:80": port})
run(settings, port=0, ready=lambda url: print(url, flush=True), network=network)
"""

HOSTILE = "<img src=x onerror=\"document.title='owned'\">.jpg"


def picture(seed, side=96):
    """Return a JPEG of smooth random shapes."""
    values = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(values).resize((side, side), Image.Resampling.BICUBIC).save(
        buffer, "JPEG", quality=95
    )
    return buffer.getvalue()


class Site(Handler):
    """A host with one image at every URL that ends in ``.jpg``."""

    def respond(self):
        found = self.path.endswith(".jpg")
        self.answer(picture(0) if found else b"", 200 if found else 404, "image/jpeg")


@contextlib.contextmanager
def serving(root, port, *, key="", held=1 << 27):
    """Run the server on a project, and yield its URL."""
    words = [sys.executable, "-c", SERVER, str(root), str(port), key, str(held)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


@pytest.fixture(scope="module")
def project(trained_folder, tmp_path_factory):
    """A project with a web site, whose model is sure of half of its images."""
    root = tmp_path_factory.mktemp("project")
    train = root / "artifacts/train"
    images = root / "images"
    split = root / "artifacts/split"
    shutil.copytree(trained_folder, train)
    images.mkdir()
    files = [picture(seed) for seed in range(6)]
    paths = [images / f"{number}.jpg" for number in range(6)]
    for path, content in zip(paths, files, strict=True):
        path.write_bytes(content)
    confidences = [one.confidence for one in Classifier.load(train).predict(files)]
    order = np.argsort(confidences)
    threshold = (confidences[order[2]] + confidences[order[3]]) / 2
    write_json(
        train / "calibration.json",
        read_json(train / "calibration.json", stage="train") | {"threshold": threshold},
    )
    classifier = Classifier.load(train)
    manifest = pd.DataFrame(
        {
            "id": [hashlib.sha256(content).hexdigest() for content in files],
            "label": list(itertools.islice(itertools.cycle(classifier.labels), 6)),
            "path": [path.name for path in paths],
            "width": 96,
            "height": 96,
            "split": pd.array(["test"] * 6, dtype="string"),
            "row": pd.array(range(6), dtype="Int32"),
        }
    )
    pack(manifest, images, split, SplitParams(image_size=24), RowLimits(60, 512 << 20), workers=1)
    manifest.to_parquet(split / "manifest.parquet")
    with serve(Site) as site:
        yield SimpleNamespace(
            root=root,
            classifier=classifier,
            threshold=threshold,
            unsure=paths[order[0]],
            sure=paths[order[5]],
            others=[paths[place] for place in order[1:5]],
            port=site.server_port,
        )


@pytest.fixture(scope="module")
def address(project):
    with serving(project.root, project.port) as url:
        yield url


@pytest.fixture(scope="module")
def browser():
    with open_chrome("--force-prefers-reduced-motion") as driver:
        yield driver


class Page:
    """The page in a browser."""

    def __init__(self, browser, address):
        self.browser = browser
        self.address = address
        self.size(1280)
        browser.get(address)
        browser.get_log("browser")
        self.until(lambda: self.run("document.querySelector('main').ariaBusy") == "false")

    def until(self, condition):
        return WebDriverWait(self.browser, 60, poll_frequency=0.05).until(lambda _: condition())

    def run(self, script, *values):
        return self.browser.execute_script(f"return {script}", *values)

    def cdp(self, command, **values):
        return self.browser.execute_cdp_cmd(command, values)

    def size(self, width, *, touch=False):
        self.cdp(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=800,
            deviceScaleFactor=1,
            mobile=touch,
        )
        self.cdp("Emulation.setTouchEmulationEnabled", enabled=touch)

    def one(self, name):
        return self.browser.find_element(By.ID, name)

    def text(self, name):
        return self.one(name).text

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    @property
    def state(self):
        return self.one("stage").get_attribute("class").split()[1:]

    def choose(self, *paths):
        self.one("files").send_keys("\n".join(map(str, paths)))
        self.answered()

    def answered(self):
        self.until(lambda: self.state[0] not in ("empty", "waiting"))

    def press(self, *keys):
        ActionChains(self.browser).send_keys(*keys).perform()

    def paste(self):
        ActionChains(self.browser).key_down(Keys.CONTROL).send_keys("v").key_up(
            Keys.CONTROL
        ).perform()

    def copy(self, script, *values):
        """Run a script that writes to the clipboard."""
        self.cdp(
            "Browser.grantPermissions",
            permissions=["clipboardReadWrite", "clipboardSanitizedWrite"],
        )
        self.browser.execute_async_script(
            f"const done = arguments[arguments.length - 1]; ({script})(...arguments).then(() => "
            "done(), done)",
            *values,
        )

    def requests(self):
        """Return the URLs of all loaded resources."""
        return self.run("performance.getEntriesByType('resource').map((one) => one.name)")

    def focused(self):
        return self.run("document.activeElement.id || document.activeElement.textContent.trim()")

    def tab_to(self, name):
        """Press Tab until an element has the focus; every focus must be visible."""
        for _ in range(40):
            self.press(Keys.TAB)
            if self.run("document.activeElement === document.body"):
                continue  # The end of the page.
            assert self.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
            if self.focused() == name:
                return
        raise AssertionError(f"Tab never reaches {name}")


@pytest.fixture
def page(browser, address):
    page = Page(browser, address)
    yield page
    log = [
        entry
        for entry in browser.get_log("browser")
        if "the server responded with a status of" not in entry["message"]
    ]
    assert log == []  # For instance violations of the Content-Security-Policy.
    assert [
        one for one in page.requests() if not one.startswith((address, "data:", f"blob:{address}"))
    ] == []


def bars(page):
    return [
        (
            bar.find_element(By.CLASS_NAME, "name").text,
            bar.find_element(By.CLASS_NAME, "value").text,
        )
        for bar in page.all("#bars li")
    ]


def test_empty_page(page, project):
    assert page.text("title").lower() == "coat, kurtā or t-shirt & top?"
    assert "Up to 20 MB" in page.text("caption")
    assert [name for name, _ in bars(page)] == ["coat", "kurtā", "T-shirt & top"]
    about = page.text("about")
    assert "coat, kurtā, T-shirt & top" in about
    digest = page.run("document.querySelector('#facts code').title")
    assert len(digest) == 64
    assert digest[:12] in about
    assert page.run("[...document.links].map(one => new URL(one.href).pathname)") == [
        "/",
        "/docs",
        "/openapi.json",
    ]
    assert not page.one("photograph").is_displayed()
    page.until(lambda: len(page.all("#thumbs img")) == 6)


def test_shows_an_image_with_its_class_and_all_probabilities(page, project):
    page.choose(project.sure)
    (expected,) = project.classifier.predict([project.sure.read_bytes()])
    assert page.state == ["answered"]
    assert page.text("title").lower() == expected.label.lower()
    assert page.text("figure").split("\n") == ["Sure", f"{percent(expected.confidence)} confidence"]
    assert f"answers of {percent(project.threshold)} confidence or more" in page.text("note")
    chances = dict(zip(project.classifier.labels, expected.probabilities, strict=True))
    order = sorted(chances, key=chances.get, reverse=True)
    assert bars(page) == [(name, percent(chances[name])) for name in order]
    widths = [bar.size["width"] for bar in page.all("#bars .bar")]
    track = page.all("#bars .track")[0].size["width"]
    assert widths == pytest.approx([chances[name] * track for name in order], abs=2)
    page.until(lambda: page.run("document.getElementById('image').naturalWidth") == 96)
    assert "96 \N{MULTIPLICATION SIGN} 96" in page.text("caption")
    assert page.run("document.title").startswith(expected.label)
    assert page.run("document.getElementById('live').textContent").startswith(expected.label)


def test_explains_not_sure(page, project):
    page.choose(project.unsure)
    assert page.state == ["answered", "unsure"]
    assert page.text("title").endswith("?")
    assert page.text("verdict") == "Not sure"
    assert f"Below {percent(project.threshold)}, this model is wrong too often" in page.text("note")
    assert page.run("document.getElementById('live').textContent").endswith("not sure.")


def test_predicts_a_dropped_image(page, project):
    data = {"items": [], "files": [str(project.sure)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        page.cdp("Input.dispatchDragEvent", type=kind, x=900, y=700, data=data)
        if kind == "dragOver":
            page.until(lambda: page.run("document.body.classList.contains('dragging')"))
    page.answered()
    assert page.state == ["answered"]
    assert project.sure.name in page.text("caption")
    assert not page.run("document.body.classList.contains('dragging')")


def test_predicts_a_pasted_url(page, project):
    page.copy(
        "async (text) => navigator.clipboard.writeText(text)", "http://images.test/far/away.jpg"
    )
    page.paste()
    page.answered()
    (expected,) = project.classifier.predict([picture(0)])
    assert page.text("title").lower().removesuffix("?") == expected.label.lower()
    page.until(lambda: page.run("document.getElementById('image').naturalWidth") == 96)
    assert page.text("caption").startswith(
        "images.test/far/away.jpg · 96 \N{MULTIPLICATION SIGN} 96"
    )
    page.copy("async (text) => navigator.clipboard.writeText(text)", "not a URL")
    page.paste()
    page.until(lambda: page.text("alert") == "The clipboard has no image or URL.")


def test_shows_why_a_url_is_refused(page):
    for typed, message in {
        "http://images.test/none": "HTTP 404 Not Found",
        "http://127.0.0.1/a.jpg": "Not a public internet address",
    }.items():
        page.one("url").send_keys(typed, Keys.ENTER)
        page.until(lambda message=message: message in page.text("note"))
        assert page.text("title") == "No image"
        assert page.text("unseen") == "No image to show."
        assert page.one("again").is_displayed()
    page.one("url").send_keys("shoe", Keys.ENTER)
    page.until(lambda: "not a URL" in page.text("alert"))


def test_shows_that_a_file_is_broken(page, tmp_path):
    (tmp_path / HOSTILE).write_bytes(b"no image at all")
    page.choose(tmp_path / HOSTILE)
    assert page.state == ["broken"]
    assert page.text("title") == "Not readable"
    assert page.text("note") == "Not a known image format."
    page.until(lambda: page.text("unseen") == "No image to show.")
    assert not page.one("wrong").is_displayed()
    assert not page.one("look").is_displayed()
    assert "owned" not in page.run("document.title")


def test_lists_several_images(page, project, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(project.sure.read_bytes()[:900])
    page.choose(project.sure, tmp_path / "broken.jpg", project.unsure)
    page.until(lambda: len([card for card in page.all("#cards .name") if card.text != "…"]) == 3)
    assert page.text("session-title") == "3 images, 1 not readable"
    sure, broken, unsure = page.all("#cards button")
    assert sure.get_attribute("aria-current") == "true"
    assert broken.text == "JPG\nnot readable\nbroken.jpg"
    assert "not sure" in unsure.text
    page.cdp("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    page.one("table").click()
    page.until((tmp_path / "predictions.csv").exists)
    table = pd.read_csv(tmp_path / "predictions.csv")
    assert [*table["name"]] == [project.sure.name, "broken.jpg", project.unsure.name]
    assert [*table["predicted"].notna()] == [True, False, True]
    assert {f"p_{name}" for name in project.classifier.labels} < {*table}
    unsure.click()
    assert page.state == ["answered", "unsure"]
    assert project.unsure.name in page.text("caption")
    broken.click()
    assert page.state == ["broken"]
    page.one("restart").click()
    assert page.state == ["empty"]
    assert page.focused() == "choose"
    assert page.all("#cards button") == []


def test_predicts_an_example(page, project):
    page.until(lambda: page.all("#thumbs button"))
    first = page.all("#thumbs button")[0]
    label = first.accessible_name.removeprefix("Test image of ")
    assert label in project.classifier.labels
    first.click()
    page.answered()
    assert page.state[0] == "answered"
    assert label in page.text("caption")


def test_saves_a_correction_and_reports_a_full_inbox(page, project):
    page.choose(project.unsure)
    page.one("wrong").click()
    predicted = page.text("title").lower().removesuffix("?")
    offered = [chip.text for chip in page.all("#choices button")]
    assert sorted(offered) == sorted(
        [
            *(name for name in project.classifier.labels if name.lower() != predicted),
            "none of these",
        ]
    )
    page.all("#choices button")[0].click()
    page.until(lambda: page.text("message").startswith("Thank you."))
    assert not page.one("wrong").is_displayed()
    (correction,) = (project.root / "inbox/corrections").iterdir()
    kept = json.loads(correction.read_bytes().partition(b"\n")[0])
    assert kept["label"] == offered[0]
    assert kept["id"] == hashlib.sha256(project.unsure.read_bytes()).hexdigest()
    large = project.root / "large.jpg"
    large.write_bytes(picture(9, 400))
    assert large.stat().st_size > 20_000
    # Others have filled the inbox.
    (project.root / "inbox/corrections/others").write_bytes(bytes(480_000))
    page.choose(large)
    page.until(lambda: "large.jpg" in page.text("caption"))
    page.answered()
    page.one("wrong").click()
    page.all("#choices button")[-1].click()
    page.until(lambda: page.text("message").startswith("Not saved. The inbox is full"))
    assert page.all("#choices button")[0].is_enabled()


def test_keyboard_only(page, project):
    page.tab_to("url")
    page.press("http://images.test/a.jpg", Keys.ENTER)
    page.answered()
    page.tab_to("wrong")
    page.press(" ")
    assert page.one("correct").is_displayed()
    assert page.focused() == page.all("#choices button")[0].text
    page.press(Keys.ESCAPE)
    assert not page.one("correct").is_displayed()
    assert page.focused() == "wrong"
    page.tab_to("choose")


def test_fits_a_phone(page, project):
    page.size(360, touch=True)
    assert page.one("photograph").is_displayed()
    assert page.one("camera").get_attribute("capture") == "environment"
    assert page.one("choose").location["y"] < 800
    page.choose(project.unsure)
    page.one("wrong").click()
    assert page.run("document.documentElement.scrollWidth") == 360
    assert page.one("title").location["y"] < 800
    small = [
        one.get_attribute("id") or one.text
        for one in page.all("button")
        if one.is_displayed() and min(one.size.values()) < 24
    ]
    assert small == []


def test_accessible_names(page, project):
    page.choose(project.unsure, project.sure)
    page.one("wrong").click()
    nodes = [
        node for node in page.cdp("Accessibility.getFullAXTree")["nodes"] if not node["ignored"]
    ]
    controls = [
        node
        for node in nodes
        if node["role"]["value"] in ("button", "textbox", "searchbox", "link", "image")
    ]
    assert len(controls) > 15
    assert [node for node in controls if not node["name"]["value"].strip()] == []
    # Accessible names contain the visible text (WCAG 2.5.3).
    labelled = page.run(
        "[...document.querySelectorAll('[aria-label]')].map((one) => [one.ariaLabel, "
        "one.innerText]).filter((pair) => pair[1] && "
        "document.querySelector(`button[aria-label='${pair[0]}'], a[aria-label='${pair[0]}']`))"
    )
    assert labelled == [["Go: predict the image at this URL", "Go"]]
    assert (
        len(
            [
                node
                for node in nodes
                if node["role"]["value"] == "heading" and "1" in json.dumps(node["properties"][0])
            ]
        )
        == 1
    )
    assert {"banner", "main", "contentinfo", "status"} <= {node["role"]["value"] for node in nodes}


@pytest.mark.slow
def test_fetches_heatmaps_on_demand(page, project):
    page.choose(project.sure)
    page.one("look").click()
    page.until(lambda: page.run("document.getElementById('frame').classList.contains('heated')"))
    assert page.one("look").get_attribute("aria-pressed") == "true"
    predicted, other = (
        bar.find_element(By.CLASS_NAME, "name").text for bar in page.all("#bars li")[:2]
    )
    assert predicted in page.text("caption")
    page.all("#bars button")[1].click()
    page.until(lambda: other in page.text("caption"))
    page.until(lambda: page.run("document.getElementById('heat').naturalWidth") == 24)
    page.press(Keys.ESCAPE)
    assert page.one("look").get_attribute("aria-pressed") == "false"
    assert len([one for one in page.requests() if "/v1/explain?label=" in one]) == 2


@pytest.mark.slow
def test_asks_for_a_key_and_retries_a_busy_server(browser, project, tmp_path):
    large = tmp_path / "large.jpg"
    large.write_bytes(picture(9, 400))
    with serving(project.root, project.port, key="open sesame", held=large.stat().st_size) as url:
        page = Page(browser, url)
        page.until(lambda: page.one("key-form").is_displayed())
        assert page.focused() == "key"
        page.press("wrong", Keys.ENTER)
        page.until(lambda: page.text("alert") == "The server does not know this key.")
        page.press("open sesame", Keys.ENTER)
        page.until(lambda: page.one("stage").is_displayed())
        assert page.focused() == "choose"
        page.choose(project.sure)
        assert page.state == ["answered"]
        page.run("sessionStorage.clear()")
        browser.get("about:blank")
        browser.get(f"{url}#key=open%20sesame")
        page.until(lambda: page.one("stage").is_displayed())
        assert not page.one("key-form").is_displayed()
        page.one("files").send_keys(str(large))
        page.until(lambda: page.text("note") == "The server is busy. Trying again in 1 second.")
        page.answered()
        assert page.state == ["failed"]
        assert page.text("note") == "Too much is being uploaded at once."
    page.one("again").click()
    page.until(lambda: page.text("note") == "The server does not answer. Is it still running?")
    assert page.focused() == "choose"


def test_answers_and_corrects_each_of_several_labels(browser, labels_folder, tmp_path):
    train = tmp_path / "artifacts/train"
    shutil.copytree(labels_folder, train)
    paths = [tmp_path / f"{number}.jpg" for number in range(2)]
    for number, path in enumerate(paths):
        path.write_bytes(picture(number))
    classifier = Classifier.load(train)
    shares = [one.probabilities[0] for one in classifier.predict([*map(picture, range(2))])]
    less, more = (paths[place] for place in np.argsort(shares))
    known = read_json(train / "calibration.json", stage="train")
    thresholds = [float(np.mean(shares)), 0.9999, 0.9999]
    write_json(train / "calibration.json", known | {"thresholds": thresholds})
    with serving(tmp_path, 1) as address:
        page = Page(browser, address)
        first, *_ = classifier.labels
        for path, title in ((more, first), (less, "none of these")):
            page.choose(path)
            page.until(lambda path=path: path.name in page.text("caption"))
            page.answered()
            assert page.text("title").replace("?", "").lower() == title
            said = {name: value.split(": ")[1].rstrip("?") for name, value in bars(page)}
            assert said == {name: "yes" if name == title else "no" for name in classifier.labels}
        page.one("wrong").click()
        yes, no = page.all("#choices .tick")[0].find_elements(By.TAG_NAME, "button")
        save, none = page.all("#choices > button")
        assert not save.is_enabled()
        none.click()
        assert no.get_attribute("aria-pressed") == "true"
        yes.click()
        label = page.run("document.querySelector('#choices .tick').ariaLabel")
        save.click()
        page.until(lambda: page.text("message").startswith("Thank you."))
        assert page.browser.get_log("browser") == []
    (correction,) = (tmp_path / "inbox/corrections").iterdir()
    kept = json.loads(correction.read_bytes().partition(b"\n")[0])
    assert kept["labels"] == {name: name == label for name in classifier.labels}
