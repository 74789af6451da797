"""From a thumbnail of a report to the page of its image, a decision there, and back."""

import contextlib

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from pixmill.local.private_server import PrivateServer, make_app
from pixmill.project.page import deciding
from pixmill.project.page.home import Home, routes
from pixmill.project.page.jobs import Job
from pixmill.review.serving import ReviewSite
from tests.browsing import open_chrome
from tests.evaluate.page.test_page import MISTAKES, page
from tests.project.page.conftest import write_rows
from tests.review.conftest import LABELS_PARAMS, Project
from tests.visitor import Visitor

SHOWN = 3


@pytest.fixture
def project(tmp_path):
    """Images in training, in the list of errors of a report."""
    project = Project(tmp_path)
    project.names = project.fill("coat", SHOWN)
    project.workspace = project.write()
    rows = [{"id": name, "path": project.rows[name]["path"]} for name in project.names]
    write_rows(tmp_path / "artifacts/scrape/manifest.parquet", rows)
    report = page()
    for mistake, name in zip(MISTAKES, project.names, strict=False):
        report = report.replace(mistake["id"], name)
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/evaluate.html").write_text(report)
    return project


@pytest.fixture
def address(project):
    with served(project, project.workspace) as address:
        yield address


@contextlib.contextmanager
def served(project, workspace):
    """Serve the page of a project."""
    root = project.root
    home = Home(root, Job(root, "dvc repro"), Job(root, "pixmill compare"))
    with ReviewSite(workspace, by="mk") as site:
        app = make_app([*routes(home), *deciding.routes(home, site), *site.routes()])
        with PrivateServer(app, command="pixmill open") as server:
            yield server.new_address()
    home.images.close()


def test_decisions_by_request(project, address):
    visitor = Visitor(address)
    first = project.names[0]
    relabel = {"verb": "label", "label": "dress", "why": "a hem", "window": "one"}
    for asked in (relabel, {"verb": "drop", "window": "one"}):
        assert visitor.post(f"image/{first}/decide", asked)[0] == 200
    # A drop leaves the label.
    assert project.said() == {(first, "yes", "dress", ""), (first, "drop", "", "")}
    rows = visitor.get_json(f"image/{first}/facts")["decisions"]
    assert {(row["answer"], row["why"]) for row in rows} == {("yes", "a hem"), ("drop", "")}
    # A tab takes back its own decisions.
    for window in ("two", "one", "one"):
        assert visitor.post(f"review/undo?window={window}", {})[0] == 200
    assert project.said() == set()


def test_each_of_several_labels_is_answered(tmp_path):
    project = Project(tmp_path, LABELS_PARAMS)
    name = project.add('{"dark":true}')
    with served(project, project.write()) as address:
        visitor = Visitor(address)
        row = {"id": name, "path": project.rows[name]["path"], "label": '{"dark":true}'}
        write_rows(tmp_path / "artifacts/scrape/manifest.parquet", [row])
        for verb, label in (("no", "dark"), ("yes", "long"), ("unset", "long")):
            asked = {"verb": verb, "label": label, "window": "one"}
            assert visitor.post(f"image/{name}/decide", asked)[0] == 200
        assert project.said() == {(name, "no", "dark", "")}
        assert visitor.get_json(f"image/{name}/facts")["cells"] == {"dark": True}


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("f" * 64, {"verb": "drop", "window": "one"}, 409),
        (None, {"verb": "clear", "window": "one"}, 400),
        (None, {"verb": "drop"}, 400),
    ],
)
def test_wrong_requests_change_nothing(project, address, name, body, status):
    visitor = Visitor(address)
    assert visitor.post(f"image/{name or project.names[0]}/decide", body)[0] == status
    assert not project.decisions.exists()


@pytest.mark.browser
def test_from_a_thumbnail_to_a_decision_and_back(project, address):
    first, second, _ = project.names
    with open_chrome() as browser:

        def until(script):
            return WebDriverWait(browser, 60, poll_frequency=0.1).until(
                lambda _: browser.execute_script(f"return {script}")
            )

        def press(key):
            ActionChains(browser).send_keys(key).perform()

        def decided(condition):
            WebDriverWait(browser, 60, poll_frequency=0.1).until(lambda _: condition())

        browser.get(address)
        until("!location.search")
        report = f"{browser.current_url}reports/evaluate.html"
        browser.get(report)
        browser.find_element(By.CSS_SELECTOR, f'[data-id="{first}"]').click()
        until(f"location.pathname.endsWith('{first}')")
        until("document.querySelectorAll('#classes button').length === 3")
        assert "1 of 18" in browser.find_element(By.ID, "place").text
        press("2")
        decided(lambda: project.said() == {(first, "yes", "dress", "")})
        until("!document.getElementById('waiting').hidden")
        press("z")
        decided(lambda: project.said() == set())
        press(Keys.ARROW_RIGHT)
        until(f"location.pathname.endsWith('{second}')")
        until("document.getElementById('back').href")
        browser.find_element(By.ID, "back").click()
        until("location.pathname.endsWith('evaluate.html')")
        assert browser.current_url.startswith(report)
        focus = browser.switch_to.active_element
        assert focus.find_element(By.TAG_NAME, "img").get_attribute("data-id") == second
        # This project has no model to ask.
        log = [each for each in browser.get_log("browser") if each["level"] != "INFO"]
        assert [each for each in log if "/answer" not in each["message"]] == []
