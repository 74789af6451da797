"""Images by id: where they are, what is known of them, and what the model says."""

import contextlib
import hashlib
import json
import re
import shutil
from dataclasses import replace

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from pixmill.core.errors import DataError, PixmillError
from pixmill.core.files.writing import read_json, write_json
from pixmill.dataset.inbox import Inbox
from pixmill.local.private_server import PrivateServer, make_app, page_routes
from pixmill.local.problems import ProblemError
from pixmill.models.classifier import Classifier
from pixmill.project.page import explaining
from pixmill.project.page.images import Images, routes
from pixmill.serve.predict.model import find_model
from pixmill.tracking.model_versions import Registry
from tests.browsing import open_chrome
from tests.experiments.compare.projects import table
from tests.images.samples import encoded, shapes
from tests.visitor import Visitor

HOSTILE = "<img/src=x/onerror=document.title='owned'>"
CONTENTS = [encoded(shapes(number, 40, 30), "png") for number in range(4)]
IDS = [hashlib.sha256(content).hexdigest() for content in CONTENTS]
LABELS = ["coat", "kurtā", "T-shirt & top"]


@pytest.fixture(scope="module")
def template(tmp_path_factory, trained_folder):
    """Three scraped images, the last one dropped, and one without a label."""
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(trained_folder, root / "artifacts" / "train")
    (root / "params.yaml").write_text(
        "classes: [coat, hat]\nscrape: {snapshot: '2026-11-20'}\nevaluate: {unlabelled: "
        "data/unlabelled}\n"
    )
    for number, name in enumerate(IDS[:3]):
        (root / "artifacts/scrape/images").mkdir(parents=True, exist_ok=True)
        (root / f"artifacts/scrape/images/{name}.png").write_bytes(CONTENTS[number])
    (root / "data/unlabelled").mkdir(parents=True)
    (root / "data/unlabelled/x.png").write_bytes(CONTENTS[3])
    paths = [f"images/{name}.png" for name in IDS[:3]]
    table(root, "scrape/manifest", {"id": IDS[:3], "label": "coat", "path": paths})
    rest = {"split": ["test", "test", None], "verdict": ["keep", "keep", "drop"]}
    reasons = [None, None, f"straddles:{IDS[0]}"]
    table(
        root,
        "split/manifest",
        {"id": IDS[:3], "label": "coat", "path": paths, **rest, "reason": reasons},
    )
    seen = {
        "source": HOSTILE,
        "query": HOSTILE,
        "page_url": f"javascript:{HOSTILE}",
        "image_url": "https://a.test/1",
    }
    table(root, "scrape/sightings", {"id": IDS[:3], **seen})
    said = {"split": "test", "label": "coat", "predicted": "kurtā", "p_coat": 0.25, "p_kurtā": 0.75}
    table(
        root, "evaluate/predictions", {"id": IDS[:2], **said, "loss": [1.0, 2.0], "held_out": True}
    )
    table(
        root,
        "evaluate/unlabelled",
        {"id": IDS[3:], "path": ["x.png"], "predicted": ["coat"], "p_coat": [1.0]},
    )
    return root


@pytest.fixture
def root(template, tmp_path):
    return shutil.copytree(template, tmp_path / "pets")


@pytest.fixture(scope="module")
def visitor(template):
    images = Images(template)
    app = make_app([*page_routes("pixmill.project.page", head=""), *routes(images)])
    with (
        contextlib.closing(images),
        PrivateServer(app, command="pixmill open", max_bytes=100 << 20) as server,
    ):
        visitor = Visitor(server.new_address())
        visitor.address = server.new_address()
        yield visitor


def test_facts_of_an_image(visitor):
    facts = visitor.get_json(f"image/{IDS[0]}/facts")
    assert (facts["known"], facts["manifest"]["label"], facts["manifest"]["split"]) == (
        True,
        "coat",
        "test",
    )
    prediction = {
        "label": "kurtā",
        "probabilities": {"coat": 0.25, "kurtā": 0.75},
        "loss": 1.0,
        "held_out": True,
    }
    assert prediction.items() <= facts["prediction"].items()
    assert [each["query"] for each in facts["sightings"]] == [HOSTILE]
    # The same mistake, the greatest loss first.
    assert facts["neighbours"] == {"place": 2, "total": 2, "previous": IDS[1], "next": None}


def test_a_dropped_image_names_its_reason(visitor):
    facts = visitor.get_json(f"image/{IDS[2]}/facts")
    assert facts["manifest"]["verdict"] == "drop"
    assert facts["other"] == IDS[0]
    assert "near-duplicate" in facts["why"]
    assert facts["prediction"] is None


@pytest.mark.parametrize("name", [IDS[0], IDS[3]])
def test_pictures_are_encoded_again(visitor, name):
    status, headers, body = visitor.ask(f"image/{name}/picture")
    assert (status, headers["Content-Type"], body[:2]) == (200, "image/jpeg", b"\xff\xd8")


@pytest.mark.parametrize("name", ["f" * 64, "review.csv", "%2e%2e", IDS[0][:12], f"{IDS[0]}.png"])
@pytest.mark.parametrize("part", ["facts", "picture", "answer", "heatmap"])
def test_only_ids_of_images_are_found(visitor, name, part):
    assert visitor.ask(f"image/{name}/{part}")[0] == 404


def test_history_reads_no_other_file(visitor):
    assert visitor.ask("image/params.yaml/history")[0] == 404


def test_a_tried_image_gets_the_answer_of_the_classifier(visitor, template):
    content = encoded(shapes(9, 50, 40), "png")
    status, _, body = visitor.ask("try", "POST", content, Content_Type="application/octet-stream")
    name = json.loads(body)["id"]
    assert (status, name) == (200, hashlib.sha256(content).hexdigest())
    answer = visitor.get_json(f"image/{name}/answer")
    classifier = Classifier.load(template / "artifacts" / "train")
    expected = classifier.predict([classifier.preprocessing(content)])[0]
    assert list(answer["probabilities"].values()) == pytest.approx(expected.probabilities)
    assert (answer["label"], answer["sure"], answer["threshold"]) == (
        expected.label,
        expected.sure,
        0.45,
    )
    assert visitor.get_json(f"image/{name}/facts")["known"] is False
    assert visitor.ask(f"image/{name}/picture")[0] == 200


def test_a_file_that_is_no_image_has_a_reason(visitor):
    name = json.loads(visitor.ask("try", "POST", b"<html>")[2])["id"]
    answer = visitor.get_json(f"image/{name}/answer")
    assert (answer["label"], answer["reason"]) == (None, "html")
    assert visitor.ask(f"image/{name}/picture")[0] == 404


def test_too_large_uploads_are_refused(visitor):
    assert visitor.ask("try", "POST", bytes(21 << 20))[0] == 413


def test_uploads_are_kept_up_to_a_limit(root, monkeypatch):
    monkeypatch.setattr("pixmill.project.page.images._MAX_TRIED_BYTES", 5)
    images = Images(root)
    names = [images.add(content) for content in (b"12", b"34", b"56")]
    with pytest.raises(ProblemError):
        images.content(names[0])
    assert [images.content(name) for name in names[1:]] == [b"34", b"56"]
    assert images.content(images.add(b"larger than all")) == b"larger than all"


def test_images_of_the_inbox_and_elsewhere(root):
    new = {"extension": ".png", "prediction": {}, "label": "coat", "model": {}}
    name = Inbox(root / "inbox").add(b"a correction", **new)
    other = hashlib.sha256(b"elsewhere").hexdigest()
    (root / "elsewhere").write_bytes(b"elsewhere")
    images = Images(root)
    images.finders.append({other: root / "elsewhere"}.get)
    assert images.content(name) == b"a correction"
    assert images.facts(name)["known"] is True
    assert images.content(other) == b"elsewhere"
    assert images.facts(other)["known"] is True
    (root / "params.yaml").write_text("classes: [")  # someone edits it
    assert images.content(name) == b"a correction"


def test_a_changed_file_is_not_the_image(root):
    (root / f"artifacts/scrape/images/{IDS[0]}.png").write_bytes(CONTENTS[1])
    with pytest.raises(DataError, match="changed"):
        Images(root).content(IDS[0])


@pytest.fixture
def explainer(root):
    with contextlib.closing(explaining.Explainer(root)) as explainer:
        yield explainer


def test_answers_are_those_of_the_latest_model(root, explainer):
    folder = root / "artifacts" / "train"
    first = explainer.answer(CONTENTS[0])["confidence"]
    folder.rename(root / "away")
    kept = explainer.answer(CONTENTS[0])  # a training replaces the files
    assert kept["confidence"] == first
    assert "artifacts/train" in kept["model"]  # it is told that it is not the latest
    (root / "away").rename(folder)
    assert "artifacts" not in explainer.answer(CONTENTS[0])["model"]
    write_json(
        folder / "calibration.json",
        {**read_json(folder / "calibration.json", stage="train"), "temperature": 0.1},
    )
    assert explainer.answer(CONTENTS[0])["confidence"] > first


def test_the_model_in_production_answers_while_mlflow_responds(root, explainer, monkeypatch):
    own = find_model(None, root)
    promoted = replace(own, version="3", in_production=True)
    monkeypatch.setattr(explaining, "find_model", lambda spec, _: promoted if spec is None else own)
    monkeypatch.setattr(Registry, "champion", lambda _: 3)
    answers = [explainer.answer(CONTENTS[0], own=own) for own in (False, True)]
    assert "version 3, in production" in answers[0].pop("model")
    assert "version" not in answers[1].pop("model")
    assert answers[0] == answers[1]
    assert explainer._choices[False].loaded is explainer._choices[True].loaded

    def fail(*_):
        raise PixmillError("MLflow is away")

    with monkeypatch.context() as rolled_back:
        rolled_back.setattr(Registry, "champion", lambda _: 2)
        rolled_back.setattr(explaining, "find_model", fail)
        said = explainer.answer(CONTENTS[0])["model"]
        assert re.search("version 3, in production.* since MLflow is away", said)
    monkeypatch.setattr(Registry, "champion", fail)
    assert "version 3, in production" in explainer.answer(CONTENTS[0])["model"]
    with contextlib.closing(explaining.Explainer(root)) as another:
        assert "since MLflow is away" in another.answer(CONTENTS[0])["model"]


def test_without_a_model_the_next_command_is_named(tmp_path):
    (tmp_path / "dvc.yaml").touch()
    with pytest.raises(PixmillError) as refusal:
        explaining.Explainer(tmp_path).answer(CONTENTS[0])
    assert "dvc repro" in refusal.value.next


def test_only_classes_have_heatmaps(explainer):
    with pytest.raises(PixmillError, match="no class 'hat'"):
        explainer.heatmap(CONTENTS[0], "hat")


@pytest.fixture(scope="module")
def browser():
    with open_chrome() as driver:
        yield driver


@pytest.mark.browser
def test_pages_of_an_image(visitor, browser, tmp_path, monkeypatch):
    pixel = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
    monkeypatch.setattr(
        explaining.Explainer, "heatmap", lambda _, __, label, **_own: f"{pixel}#{label}"
    )

    def until(script):
        return WebDriverWait(browser, 60, poll_frequency=0.1).until(
            lambda _: browser.execute_script(f"return {script}")
        )

    browser.get(visitor.address)
    (tmp_path / f"{HOSTILE[:4]}.png").write_bytes(CONTENTS[0])
    until("document.querySelector('#try-part input')").send_keys(
        str(tmp_path / f"{HOSTILE[:4]}.png")
    )
    until("document.querySelector('.trial .bars')")
    assert (
        browser.find_element(By.LINK_TEXT, "Open this image")
        .get_attribute("href")
        .endswith(f"/image/{IDS[0]}")
    )
    browser.get(f"{browser.current_url}image/{IDS[0]}")
    until("document.querySelector('.bars button')")
    until("document.querySelector('#picture img').naturalWidth > 0")
    facts = browser.find_element(By.ID, "facts")
    assert HOSTILE in facts.text
    assert [link.get_attribute("href") for link in facts.find_elements(By.TAG_NAME, "a")] == [
        "https://a.test/1"
    ]
    assert (
        browser.find_element(By.ID, "review")
        .get_attribute("href")
        .endswith(f"/review/?image={IDS[0]}")
    )
    _, second = browser.find_elements(By.CSS_SELECTOR, ".bars button")
    second.click()
    until(f"document.querySelector('#picture img').src === '{pixel}#coat'")
    assert second.get_attribute("aria-pressed") == "true"
    second.click()
    until("document.querySelector('#picture img').src.endsWith('/picture')")
    browser.find_element(By.ID, "previous").click()
    until(f"location.pathname.endsWith('{IDS[1]}')")
    # This server has no state and no galleries.
    messages = [entry["message"] for entry in browser.get_log("browser")]
    assert [
        each for each in messages if "/state " not in each and "/predictions " not in each
    ] == []
