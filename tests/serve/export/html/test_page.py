"""The page of a model in a file, in real browsers."""

from pathlib import Path

from selenium.webdriver.support.wait import WebDriverWait

from pixmill.models.classifier import Classifier
from pixmill.serve.predict.model import Model
from tests.browsing import open_chrome


def test_it_answers_without_a_network(model_page: Path, model: Model, shared: Path) -> None:
    photo = shared / "photos" / "00.jpeg"
    with open_chrome("--host-resolver-rules=MAP * ~NOTFOUND") as browser:
        browser.get(model_page.as_uri())
        browser.find_element("id", "files").send_keys(str(photo))
        stage = browser.find_element("id", "stage")
        WebDriverWait(browser, 30).until(lambda _: "answered" in stage.get_attribute("class"))
        shown = browser.find_element("id", "title").text
        assert browser.get_log("browser") == []
    (expected,) = Classifier.load(model.path).predict([photo.read_bytes()])
    assert expected.label is not None
    assert shown.rstrip("?").casefold() == expected.label.casefold()
