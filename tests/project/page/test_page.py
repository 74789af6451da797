"""The page in a real browser."""

import re

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from pixmill.core.errors import PixmillError
from pixmill.experiments.promotion.report import Champion
from pixmill.local.private_server import PrivateServer, make_app
from pixmill.project import state as project_state
from pixmill.project.page import using
from pixmill.project.page.home import Home, routes
from pixmill.project.page.jobs import Job
from pixmill.project.state import ProjectState
from pixmill.serve.export.agreement import Agreement
from pixmill.serve.export.card import ModelCard, render_card
from tests.browsing import open_chrome
from tests.models.test_exported import DESCRIPTION
from tests.project.page.conftest import draw, evaluate, progress, record, write, write_rows
from tests.tiny_project import change_param, copy_project
from tests.version_control import PERSON, git, start_repository
from tests.waiting import until

pytestmark = pytest.mark.browser

BRANCH = "<img/src=x/onerror=document.title='owned'>"

RECORD = """
window.texts = [];
new MutationObserver((changes) => texts.push(...changes.map((each) => each.addedNodes[0]?.textContent)))
  .observe(document.getElementById('ended'), { childList: true });
"""

UNNAMED = """
return [...document.querySelectorAll('button, a, progress, pre[tabindex], section')].filter((element) =>
  !(element.getAttribute('aria-label') || element.textContent.trim()
    || document.getElementById(element.getAttribute('aria-labelledby'))?.textContent.trim())).map((e) => e.outerHTML);
"""


def set_width(browser, width):
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 640}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


class Page:
    """The page in the browser."""

    def __init__(self, browser, root, address):
        self.browser = browser
        self.root = root
        browser.get(address)
        self.until(lambda: browser.find_elements(By.CSS_SELECTOR, "main[aria-busy=false]"))

    def until(self, condition):
        return WebDriverWait(self.browser, 60, poll_frequency=0.1).until(lambda _: condition())

    def text(self, name):
        return self.browser.execute_script(
            "return document.getElementById(arguments[0]).innerText", name
        )

    def shows(self, name):
        return self.browser.find_element(By.ID, name).is_displayed()

    def status(self, stage):
        rows = (
            "return [...document.querySelectorAll('#stages > li')].map((row) => "
            "row.innerText.split('\\n'))"
        )
        return next(row[1] for row in self.browser.execute_script(rows) if row[0] == stage)


@pytest.fixture(scope="module")
def browser():
    with open_chrome() as driver:
        driver.execute_cdp_cmd(
            "Browser.grantPermissions",
            {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]},
        )
        yield driver


@pytest.fixture
def page(browser, tiny_project, tmp_path, monkeypatch):
    root = copy_project(tiny_project, tmp_path / "pets")
    for name, value in {**PERSON, "SLOW": "4"}.items():
        monkeypatch.setenv(name, value)
    git(root, "switch", "-q", "-c", BRANCH)
    pipeline = Job(root, "dvc repro")
    app = make_app(routes(Home(root, pipeline, Job(root, "pixmill compare"))))
    with PrivateServer(app, command="pixmill open") as server:
        yield Page(browser, root, server.new_address())
    if pipeline.pid:
        pipeline.stop()
        until(lambda: pipeline.pid is None)


def test_main_workflow(page, browser):
    assert {page.status(name) for name in ("scrape", "validate", "split", "train", "evaluate")} == {
        "up to date"
    }
    assert not page.shows("start")
    assert page.text("accuracy") == "90.0 %"
    assert not page.shows("stale")

    # It follows edits, and lists the stages that would run.
    change_param(page.root, "epochs: 3", "epochs: 4")
    page.until(lambda: page.status("train") == "changed")
    page.until(lambda: "train.epochs is now 4, was 3" in page.text("next"))
    assert page.status("evaluate") == "follows"
    assert page.shows("stale")

    # The next command is folded below its button, and copied as shown.
    page.until(lambda: browser.find_elements(By.CSS_SELECTOR, "#next-command code"))
    browser.find_element(By.CSS_SELECTOR, "#next-command summary").click()
    shown = browser.find_element(By.CSS_SELECTOR, "#next-command code").text
    browser.find_element(By.CSS_SELECTOR, "#next-command button[aria-label^=Copy]").click()
    page.until(lambda: "Copied" in page.text("next-command"))
    assert (
        browser.execute_async_script("navigator.clipboard.readText().then(arguments[0])") == shown
    )

    # The pipeline is started by keyboard, followed live, and stopped.
    browser.find_element(By.CSS_SELECTOR, "#next-command .primary").send_keys(Keys.ENTER)
    page.until(lambda: page.status("train") == "running")
    assert browser.switch_to.active_element.get_attribute("id") == "stop"
    assert "Train, stage 4 of 5" in page.text("next")
    assert not page.shows("elsewhere")
    page.until(
        lambda: (
            "Running stage 'train'"
            in browser.find_element(By.ID, "log").get_property("textContent")
        )
    )
    browser.execute_script(RECORD)
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    page.until(lambda: page.shows("start"))
    page.until(lambda: page.status("train") != "running")
    assert page.text("ended") == "The run was stopped."
    assert browser.execute_script("return texts")[0] == "Stopping …"

    assert browser.title == "pets · Pixmill"
    assert BRANCH in page.text("git")
    assert browser.get_log("browser") == []

    # A foreign report is shown, and runs no script.
    (page.root / "reports" / "train.html").unlink(missing_ok=True)
    (page.root / "reports" / "train.html").write_text(
        f"{BRANCH}<script>document.title='owned'</script><p>read me"
    )
    browser.get(f"{browser.current_url}reports/train.html")
    assert "read me" in browser.find_element(By.TAG_NAME, "body").text
    page.until(lambda: len(browser.get_log("browser")) >= 2)
    assert browser.title != "owned"


def test_unreadable_stages_are_not_fresh(page, browser):
    params = page.root / "params.yaml"
    params.write_text(f"{params.read_text()}\n[")
    page.until(lambda: "expected YAML" in page.text("next"))
    assert not page.shows("start")


def test_screen_readers_announce_stages_only(page, browser):
    progress(page.root, what="Fit", count=40, total=120, unit="image")
    page.until(lambda: "Fit: 40 of 120 images" in page.text("next"))
    assert page.text("next-live") == "Train, stage 4 of 5"
    assert browser.find_element(By.ID, "run").get_property("position") > 0
    assert "Ctrl-C" in page.text("elsewhere")


def test_a_link_to_a_part_opens_it(page, browser):
    browser.execute_script("location.hash = '#params-part'")
    page.until(lambda: page.shows("params-save"))
    active = browser.switch_to.active_element
    page.until(lambda: active.find_element(By.XPATH, "ancestor::*[@id='params-part']"))


def test_layout_and_labels_at_each_width(page, browser):
    for width, scheme in ((400, "light"), (1600, "dark")):
        set_width(browser, width)
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
        )
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        lefts = {
            browser.find_element(By.ID, f"{name}-title").rect["x"]
            for name in ("data", "experiments")
        }
        assert len(lefts) == (2 if width == 1600 else 1)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert browser.execute_script(UNNAMED) == []
    resources = browser.execute_script(
        "return performance.getEntriesByType('resource').map((each) => each.name)"
    )
    assert all(name.startswith(browser.current_url) for name in resources)


@pytest.fixture
def evaluated(browser, tmp_path):
    """A project of two classes with three commits of results."""
    root = start_repository(tmp_path)
    names = [draw(root / f"artifacts/scrape/images/{number}.png", number) for number in range(4)]
    rows = [{"id": name, "path": f"images/{number}.png"} for number, name in enumerate(names)]
    write_rows(root / "artifacts/scrape/manifest.parquet", rows)
    labels = [("cat", "cat"), ("cat", BRANCH), ("cat", "cat"), (BRANCH, BRANCH)]
    evaluate(root, [(name, "test", *pair, 1.0) for name, pair in zip(names, labels, strict=True)])
    for accuracy in (0.5, 0.75, 0.7):
        record(root, accuracy)
        git(root, "add", "metrics")
        git(root, "commit", "-q", "-m", BRANCH)
    comparison = Job(root, "pixmill compare", ["echo"])
    state = ProjectState(root, accuracy=(0.7, 0.6, 0.8))
    home = Home(root, Job(root, "dvc repro"), comparison, lambda *_, **__: state)
    with PrivateServer(make_app(routes(home)), command="pixmill open") as server:
        yield Page(browser, root, server.new_address())
    home.images.close()


def test_model_with_images_and_history(evaluated, browser):
    page = evaluated
    images = "return [...document.images].map((each) => [each.alt, each.naturalWidth])"
    page.until(lambda: all(width == 128 for _, width in browser.execute_script(images)))
    alts = [alt for alt, _ in browser.execute_script(images)]
    assert sorted(alts) == sorted([BRANCH, "cat", "cat", f"cat, predicted {BRANCH}", ""])
    (wrong,) = browser.find_elements(By.CSS_SELECTOR, ".wrong")
    (confusion,) = browser.find_elements(By.CSS_SELECTOR, ".confusion")
    assert confusion.get_attribute("href") == wrong.get_attribute("href")
    assert re.search("/image/[0-9a-f]{64}$", wrong.get_attribute("href"))
    assert page.text("majority") == "Always answering cat: 75.0 %"

    # The points of the chart are reached by keyboard; one says what it changes before one goes
    # back, and the last one leads to the comparison with the commit before.
    points = browser.find_elements(By.CSS_SELECTOR, ".points button")
    points[0].send_keys(Keys.ENTER)
    browser.find_elements(By.CSS_SELECTOR, "#point button")[1].click()
    page.until(lambda: "as they were" in page.text("point"))
    assert browser.switch_to.active_element.text == "Cancel"
    before, after = git(page.root, "log", "-2", "--format=%H").split()[::-1]
    browser.execute_script("arguments[0].focus()", points[1])
    assert "75.0 % (65.0 to 85.0)" in page.text("history")
    browser.switch_to.active_element.send_keys(Keys.TAB, Keys.ENTER)
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    page.until(lambda: browser.current_url.endswith("reports/compare.html"))
    assert (page.root / ".pixmill/open/compare.log").read_text() == f"{before[:12]} {after[:12]}\n"


def test_going_back_says_in_its_place_what_no_commit_has(evaluated, browser):
    page = evaluated
    (page.root / "decisions.csv").write_text("image,label,answer,split,by,why\n")
    browser.find_elements(By.CSS_SELECTOR, ".points button")[0].send_keys(Keys.ENTER)
    browser.find_elements(By.CSS_SELECTOR, "#point button")[1].click()
    page.until(lambda: "decisions.csv differs" in page.text("point"))
    assert not page.shows("alert")
    (again, back, _) = browser.find_elements(By.CSS_SELECTOR, "#point button")
    assert (again.text, back.is_enabled()) == ("Look again", False)
    (page.root / "decisions.csv").unlink()
    again.click()
    page.until(lambda: "differs" not in page.text("point"))
    assert browser.find_element(By.CSS_SELECTOR, "#point .good").is_enabled()


def test_an_export_with_its_agreement_and_code(evaluated, browser):
    page = evaluated
    facts = ModelCard(DESCRIPTION, None, None, 0.95, {}, {}, {}, [])
    for form in ("html", "litert"):
        folder = page.root / "exported" / form
        folder.mkdir(parents=True)
        checked = {form: (Agreement(262, 0.9733, 0.66, 0.878, 0.0191), 13_461_874)}
        (folder / "README.md").write_text(render_card(facts, checked))
    page.until(lambda: page.shows("export-part"))
    browser.find_element(By.CSS_SELECTOR, "#export-part > details > summary").click()
    page.until(lambda: "model.html (13.5 MB)" in page.text("exported"))
    browser.find_element(By.CSS_SELECTOR, "[value=litert]").click()
    page.until(lambda: "model.tflite (13.5 MB)" in page.text("exported"))
    for figure in ("97.33 %", "0.660", "87.80 %", "-1.91 points"):
        assert figure in page.text("exported")
    steps = browser.find_elements(By.CSS_SELECTOR, "#exported li")
    code = browser.find_element(By.CSS_SELECTOR, "#exported code").get_property("textContent")
    assert len(steps) == 4
    compile(code, "README.md", "exec")
    assert "Interpreter" in code


def test_one_file_says_what_it_lacks(evaluated, browser, monkeypatch):
    lack = PixmillError("one file needs a runtime", next="npm pack it")
    monkeypatch.setattr(using, "missing_runtime", lambda: lack)
    page = evaluated
    page.until(lambda: page.shows("export-part"))
    browser.find_element(By.CSS_SELECTOR, "#export-part > details > summary").click()
    page.until(lambda: lack.message in page.text("exported"))
    copied = browser.find_element(By.CSS_SELECTOR, "#exported .command code").text
    assert (copied, page.shows("export")) == (lack.next, False)
    browser.find_element(By.CSS_SELECTOR, "#exported .command button")
    browser.find_element(By.CSS_SELECTOR, "[value=litert]").click()
    page.until(lambda: page.shows("export"))


def test_last_watch_is_beside_the_model_in_production(page, browser, monkeypatch):
    monkeypatch.setattr(project_state, "_champion", lambda _: Champion("pets", 2, "", None))
    outcome = {
        "model": {"name": "pets", "version": "2"},
        "at": "2026-11-30T12:00:00+00:00",
        "week": 1204,
        "alarm": False,
        "accuracy": {"value": 0.91, "low": 0.87, "high": 0.94},
        "sentence": "",
        "advice": "",
        "command": None,
        "log": "log",
        "waiting": 0,
    }
    (page.root / "reports" / "watch.html").write_text("<html lang=en>the page")
    write(page.root / ".pixmill/watch/last.json", outcome)
    page.until(
        lambda: "1,204 images, no alarm, estimated accuracy 87 to 94 %" in page.text("watched")
    )
    page.until(lambda: browser.find_elements(By.CSS_SELECTOR, "#versions li"))
    browser.find_element(By.CSS_SELECTOR, "#watched a").click()
    page.until(lambda: "the page" in browser.page_source)


def test_an_alarm_leads_to_the_images_that_people_are_asked_about(page, browser, monkeypatch):
    monkeypatch.setattr(project_state, "_champion", lambda _: Champion("pets", 2, "", None))
    outcome = {
        "model": {"name": "pets", "version": "2"},
        "at": "2026-11-30T12:00:00+00:00",
        "week": 1204,
        "alarm": True,
        "accuracy": None,
        "sentence": "images are unlike the test images.",
        "advice": "label random images",
        "command": "pixmill watch log --label 60",
        "log": "log",
        "waiting": 0,
    }
    write(page.root / ".pixmill/watch/last.json", outcome)

    def primary() -> list[str]:
        # In one step, since the page may draw its buttons again meanwhile.
        return browser.execute_script(
            "return Array.from(document.querySelectorAll('#next-command .primary'), (b) => b.innerText)"
        )

    page.until(lambda: primary() == ["Draw images to label"])
    draw(page.root / "data/unlabelled/doubt-2026-11-30-1.png", 3)
    page.until(lambda: "1 image without a label" in page.text("images"))
    assert primary() == ["Draw images to label"]
    draw(page.root / "data/unlabelled/sample-2026-11-30-1.png", 1)
    draw(page.root / "data/unlabelled/another.png", 2)
    page.until(lambda: primary() == ["Label"])
    assert "3 images without a label" in page.text("images")
    browser.find_element(By.CSS_SELECTOR, "#next-command .primary").click()
    page.until(lambda: "scope=asked:random" in browser.current_url)
