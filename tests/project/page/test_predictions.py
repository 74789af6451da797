"""Galleries of uploaded images: uploads, answers, corrections; nothing is lost by a kill."""

import contextlib
import csv
import hashlib
import io
import json
import shutil
import time
from urllib.parse import quote

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from starlette.routing import Mount

from pixmill.dataset.inbox import Inbox
from pixmill.local.private_server import PrivateServer, make_app, page_routes
from pixmill.project.page import predictions
from pixmill.project.page.home import Home, routes
from pixmill.project.page.jobs import Job
from tests.browsing import open_chrome
from tests.images.samples import encoded, shapes
from tests.visitor import Visitor
from tests.waiting import until

HOSTILE = "../=<img src=x onerror=document.title=1>.png"
CONTENTS = [encoded(shapes(number, 40, 30), "png") for number in range(4)]
IDS = [hashlib.sha256(content).hexdigest() for content in CONTENTS]


@pytest.fixture
def root(tmp_path, trained_folder):
    shutil.copytree(trained_folder, tmp_path / "pets/artifacts/train")
    return tmp_path / "pets"


@contextlib.contextmanager
def opened(root):
    """Serve the page."""
    home = Home(root, Job(root, "dvc repro"), Job(root, "pixmill compare"))
    app = make_app([*routes(home), Mount("/review", routes=page_routes("pixmill.review"))])
    with (
        contextlib.closing(home.images),
        contextlib.closing(home.predictions),
        PrivateServer(app, command="pixmill open", max_bytes=100 << 20) as server,
    ):
        visitor = Visitor(server.new_address())
        visitor.address = server.new_address()
        yield visitor


def send(visitor, name, path, content, kind="application/octet-stream"):
    place = f"predictions/{name}/images?path={quote(path)}"
    return visitor.ask(place, "POST", content, Content_Type=kind)[0]


def answers(visitor, name, number):
    """Wait for so many answers, and return them by path."""
    found = until(
        lambda: (
            (state := visitor.get_json(f"predictions/{name}/state"))["answered"] == number and state
        )
    )
    return {row["path"]: row for row in found["answers"]}


def test_uploads_are_answered_and_corrected(root):
    with opened(root) as visitor:
        name = visitor.post("predictions", {"files": 4})[1]["name"]
        assert send(visitor, name, "a.png", CONTENTS[0], kind="text/plain") == 415
        assert send(visitor, "..", "a.png", CONTENTS[0]) == 404
        files = {"a.png": CONTENTS[0], HOSTILE: CONTENTS[1], "note.txt": b"text", "empty": b""}
        for path, content in files.items():
            assert send(visitor, name, path, content) == 200
        assert send(visitor, name, "a.png", CONTENTS[0]) == 200  # is kept once
        assert send(visitor, name, "a.png", CONTENTS[2]) == 200  # of another folder
        other = f"a.png ({IDS[2][:8]})"
        found = answers(visitor, name, 5)
        assert {path: row["id"] for path, row in found.items() if row["predicted"]} == {
            "a.png": IDS[0],
            HOSTILE: IDS[1],
            other: IDS[2],
        }
        assert all(found[path]["why"] for path in ("note.txt", "empty"))
        assert {path.name for path in root.rglob("*.png")} == set()

        place = f"predictions/{name}/correct"
        paths = [HOSTILE, "note.txt", "missing"]
        assert visitor.post(place, {"paths": paths, "label": "coat"})[0] == 200
        (entry,) = Inbox(root / "inbox").entries()[0]
        assert (entry.id, entry.corrections[0].label) == (IDS[1], "coat")
        assert visitor.post(place, {"paths": paths, "label": ""})[0] == 200  # instead
        assert [each.label for each in Inbox(root / "inbox").entries()[0][0].corrections] == [None]
        assert visitor.post(place, {"paths": paths, "label": None})[0] == 200
        assert Inbox(root / "inbox").entries()[0] == []
        assert visitor.post(place, {"paths": paths, "label": "coat"})[0] == 200
        assert visitor.get_json(f"image/{IDS[0]}/facts")["known"] is False
        assert visitor.ask(f"thumbnail/{IDS[0]}")[2][:2] == b"\xff\xd8"

    with opened(root) as visitor:  # also after a restart
        assert visitor.get_json("predictions")["galleries"] == [{"name": name, "files": 5}]
        rows = answers(visitor, name, 5)
        assert [path for path, row in rows.items() if row["corrected"] == "coat"] == [HOSTILE]
        table = visitor.ask(f"predictions/{name}/table.csv")[2].decode("utf-8-sig")
        rows = {row["path"]: row["corrected"] for row in csv.DictReader(io.StringIO(table))}
        assert rows == dict.fromkeys(found, "") | {HOSTILE: "coat"}
        assert visitor.post(f"predictions/{name}/delete", {})[0] == 200
        assert visitor.ask(f"predictions/{name}/state")[0] == 404
    predictions.Predictions(root)
    assert list((root / ".pixmill/open/predictions").iterdir()) == []


def test_several_labels_are_corrected_one_by_one(tmp_path, labels_folder):
    root = tmp_path / "pets"
    shutil.copytree(labels_folder, root / "artifacts/train")
    inbox = Inbox(root / "inbox")
    with opened(root) as visitor:
        name = visitor.post("predictions", {"files": 1})[1]["name"]
        send(visitor, name, "a.png", CONTENTS[0])
        answers(visitor, name, 1)
        place = f"predictions/{name}/correct"
        body = {"paths": ["a.png"], "label": None}
        for labels in ({"dark": True}, {"kurtā; long": False}):
            assert visitor.post(place, {**body, "labels": labels})[0] == 200
        assert visitor.post(place, {**body, "labels": {"gone": True}})[0] == 400
        assert visitor.post(place, {**body, "label": "dark"})[0] == 400
        (entry,) = inbox.entries()[0]
        right = {"dark": True, "kurtā; long": False}
        assert [(each.label, each.labels) for each in entry.corrections] == [(None, right)]
        table = visitor.ask(f"predictions/{name}/table.csv")[2].decode("utf-8-sig")
        (row,) = csv.DictReader(io.StringIO(table))
        assert json.loads(row["corrected"]) == right
        assert {row["yes_dark"], row["sure_dark"]} <= {"true", "false"}
        assert visitor.post(place, body)[0] == 200
        assert inbox.entries()[0] == []


def test_a_killed_page_goes_on(root, monkeypatch):
    with monkeypatch.context() as patch, opened(root) as visitor:
        patch.setattr(predictions.Predictions, "_start", lambda _: None)
        name = visitor.post("predictions", {"files": 3})[1]["name"]
        for number, content in enumerate(CONTENTS[:2]):
            send(visitor, name, str(number), content)
    (journal,) = root.rglob("files/*.jsonl")
    journal.write_bytes(journal.read_bytes()[:-9])  # while it wrote the second row
    with opened(root) as visitor:
        assert [*answers(visitor, name, 1)] == ["0"]
        send(visitor, name, "1", CONTENTS[1])
        assert answers(visitor, name, 2)["1"]["id"] == IDS[1]


def test_limits(root, monkeypatch):
    monkeypatch.setattr(predictions, "_MAX_BYTES", 500)
    monkeypatch.setattr(predictions, "_MAX_FILES", 2)
    monkeypatch.setattr(predictions.Predictions, "_start", lambda _: None)
    with opened(root) as visitor:
        for number in (-1, 0, 3, 10_000_000):
            assert visitor.post("predictions", {"files": number})[0] == 409
        assert visitor.get_json("predictions")["galleries"] == []
        name = visitor.post("predictions", {"files": 1})[1]["name"]
        assert [send(visitor, name, path, CONTENTS[0]) for path in "abc"] == [200, 200, 400]
        assert visitor.get_json(f"predictions/{name}/state?since={'9' * 40}")["files"] == 2
        assert visitor.post("predictions", {"files": 1})[0] == 409  # until one is deleted
        assert visitor.post(f"predictions/{name}/delete", {})[0] == 200
        assert visitor.post("predictions", {"files": 1})[0] == 200


def test_another_model_answers_again(root):
    with opened(root) as visitor:
        name = visitor.post("predictions", {"files": 2})[1]["name"]
        send(visitor, name, "a", CONTENTS[0])
        answers(visitor, name, 1)
        time.sleep(2)  # until the worker has ended
        first = visitor.get_json(f"predictions/{name}/state")["model"]["digest"]
        calibration = root / "artifacts/train/calibration.json"
        calibration.write_text(calibration.read_text() + " ")
        send(visitor, name, "b", CONTENTS[1])
        assert {*answers(visitor, name, 2)} == {"a", "b"}
        digest = visitor.get_json(f"predictions/{name}/state")["model"]["digest"]
        assert digest != first
    with opened(root) as visitor:
        assert {*answers(visitor, name, 2)} == {"a", "b"}
        assert visitor.get_json(f"predictions/{name}/state")["model"]["digest"] == digest
    for damaged in ("[]", "{", '{"name": "x"}'):
        (root / f".pixmill/open/predictions/{name}/model.json").write_text(damaged)
        with opened(root) as visitor:
            assert {*answers(visitor, name, 2)} == {"a", "b"}
            assert visitor.get_json(f"predictions/{name}/state")["model"]["digest"] == digest


@pytest.mark.browser
def test_gallery_in_a_browser(root, tmp_path):
    folder = tmp_path / "night"
    folder.mkdir()
    for number, content in enumerate(CONTENTS):
        (folder / f"{number}<b>.png").write_bytes(content)
    (folder / "note.txt").write_text("text")
    (folder / ".hidden").write_text("text")
    with opened(root) as visitor, open_chrome() as browser:

        def shows(text):
            return until(lambda: text in browser.find_element(By.TAG_NAME, "body").text)

        browser.get(visitor.address)
        until(lambda: browser.find_elements(By.CSS_SELECTOR, "#try-part [webkitdirectory]"))
        browser.find_element(By.CSS_SELECTOR, "#try-part [webkitdirectory]").send_keys(str(folder))
        until(lambda: browser.find_elements(By.CLASS_NAME, "gallery"))
        shows("All 5 images answered")
        browser.refresh()  # leads to the gallery's own page
        shows("All 5 images answered")
        assert "/predictions/" in browser.current_url
        tiles = browser.find_element(By.CLASS_NAME, "scroller")
        cells = browser.find_elements(By.CSS_SELECTOR, ".cell:not([hidden])")
        assert len(cells) == 5
        tiles.send_keys(" ", Keys.SHIFT + Keys.ARROW_RIGHT)
        tiles.send_keys("2")
        shows("2 images sent as kurtā")
        tiles.send_keys("z")
        shows("2 corrections taken back")
        tiles.send_keys(Keys.HOME, " ", Keys.SHIFT + Keys.ARROW_RIGHT)
        tiles.send_keys("2")
        shows("2 images sent as kurtā")
        (unreadable,) = (
            each
            for each in browser.find_elements(By.CSS_SELECTOR, ".filters button")
            if each.text.startswith("unreadable")
        )
        unreadable.click()
        until(lambda: len(browser.find_elements(By.CSS_SELECTOR, ".cell:not([hidden])")) == 1)
        messages = [entry["message"] for entry in browser.get_log("browser")]
        assert [each for each in messages if "/state " not in each] == []
    labels = [entry.corrections[0].label for entry in Inbox(root / "inbox").entries()[0]]
    assert labels == ["kurtā", "kurtā"]
