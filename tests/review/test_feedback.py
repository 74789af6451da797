"""Corrections: new images move into ``data/``, known ones get a line in ``review.csv``."""

import hashlib
import json
import os
import signal
import time
from pathlib import Path

import pytest

from pixmill.core.errors import DataError, StorageError
from pixmill.dataset.decision_log import Accepted, DecisionLog
from pixmill.dataset.inbox import Inbox
from pixmill.review.cases import find_cases
from pixmill.review.feedback import DecisionStore, ReviewImages
from pixmill.review.recovery import DecisionStatus, describe_lost
from pixmill.review.review_session import Choice, DecisionError, Session
from tests.disk import limit_file_size
from tests.review.conftest import CLASSES, jpeg

MODEL = {"name": "garments", "version": "3", "digest": "ab" * 32}


@pytest.fixture
def inbox(project):
    return Inbox(project.root / "inbox")


@pytest.fixture
def send(inbox):
    def send(content, label, sure=True):
        prediction = {
            "label": "coat",
            "confidence": 0.873,
            "sure": sure,
            "probabilities": {"coat": 0.873},
        }
        return inbox.add(content, extension=".jpg", prediction=prediction, label=label, model=MODEL)

    return send


@pytest.fixture
def data(project):
    folder = project.root / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def start(project, inbox, data):
    """Returns a session on the current inbox, and its store."""

    def start(**options):
        tables = project.tables()
        log = DecisionLog(inbox, project.root)
        images = ReviewImages(tables, inbox.entries()[0], CLASSES, log.read()[0])
        store = DecisionStore(project.review_file(tables), images, data, log, **options)
        cases = find_cases(tables, images.cases(), only="feedback")
        return Session(images, cases, store, classes=CLASSES, by="mk"), store

    return start


def in_data(data):
    return sorted(path.relative_to(data).as_posix() for path in data.rglob("*") if path.is_file())


def stored(inbox, name):
    """Return the file of the only correction of an image."""
    ((place,),) = (entry.names for entry in inbox.entries()[0] if entry.id == name)
    return Path(inbox.place, place)


def name_of(name, label):
    return f"{label}/feedback-{time.strftime('%Y-%m-%d', time.gmtime())}-{name[:16]}.jpg"


def test_images_of_a_random_sample_have_another_name(project, send, start, data):
    name = send(jpeg(900), "dress")
    session, _ = start(is_sample=True)
    session.decide(0, [Choice(name, "keep")], "")
    assert in_data(data) == [name_of(name, "dress").replace("feedback-", "sample-")]


def test_shows_the_prediction_and_all_corrections_of_a_new_image(project, send, start):
    project.fill("coat", 2)
    send(jpeg(901), None)
    name = send(jpeg(900), "dress", sure=False)
    send(jpeg(900), "shoe")
    send(jpeg(900), "dress", sure=False)
    session, _ = start()
    assert (session.overview()["total"], session.overview()["inbox"]) == (2, True)
    case = next(case for case in map(session.case, range(2)) if case["images"][0]["id"] == name)
    assert (case["kind"], case["title"], case["settled"]) == (
        "feedback",
        "Feedback: new image",
        False,
    )
    assert case["why"] == (
        "The model garments 3 predicted 'coat' (87%, not sure); users say 'dress', 'shoe'. "
        "Accept it to put it into data/, or drop it for good."
    )
    [image] = case["images"]
    assert (image["label"], image["came_as"], image["verdict"]) == (
        "dress",
        ["dress", "shoe"],
        "new",
    )
    assert image["bytes"] == len(jpeg(900))
    assert image["places"][0]["url"].startswith("inbox/corrections/")


def test_an_accepted_image_is_copied_to_its_class_and_stays_in_the_inbox(
    project, send, start, data, inbox
):
    name = send(jpeg(900), "dress")
    session, store = start()
    case = session.decide(0, [Choice(name, "keep")], "")
    assert (case["settled"], case["images"][0]["decision"]["verb"]) == (True, "keep")
    assert (in_data(data), store.count()) == ([name_of(name, "dress")], (1, 0))
    assert (data / name_of(name, "dress")).read_bytes() == jpeg(900)
    assert not project.review.exists()
    store.clean_inbox()
    assert describe_lost(store.release()) is None
    assert [inbox.read_image(entry) for entry in inbox.entries()[0]] == [jpeg(900)]
    assert start()[0].cases == []
    # Even if the manifest has it under the same label by now, no commit holds it.
    project.add("dress", content=jpeg(900))
    _, store = start()
    store.clean_inbox()
    store.release()
    assert len(inbox.entries()[0]) == 1


def test_a_correction_waits_if_its_image_was_labelled_in_the_grid(send, start, inbox, monkeypatch):
    item = Accepted(
        image=send(jpeg(900), "dress"),
        branch="",
        file="data/coat/a.jpg",
        md5="0" * 32,
        corrections=0,
    )
    monkeypatch.setattr(
        "pixmill.review.feedback.check_decisions", lambda _: DecisionStatus(accepted=[item])
    )
    start()[1].release()
    assert len(inbox.entries()[0]) == 1


def test_an_image_is_not_accepted_into_a_link_out_of_data(send, start, data, inbox, tmp_path):
    (tmp_path / "home").mkdir()
    (data / "dress").symlink_to(tmp_path / "home")
    name = send(jpeg(900), "dress")
    session, _ = start()
    with pytest.raises(DataError, match="leads out of"):
        session.decide(0, [Choice(name, "keep")], "")
    assert not [*(tmp_path / "home").iterdir()]
    assert stored(inbox, name).exists()


def test_a_decision_can_be_changed_and_undone(send, start, data, inbox):
    name = send(jpeg(900), "dress")
    session, store = start()
    session.decide(0, [Choice(name, "keep")], "")
    session.decide(0, [Choice(name, "relabel", "shoe")], "")
    assert in_data(data) == [name_of(name, "shoe")]
    session.decide(0, [Choice(name, "drop")], "")
    assert (in_data(data), inbox.dropped_ids(), store.count()) == ([], {name}, (0, 1))
    assert len(session.changed) == 3
    session.undo()
    assert (in_data(data), inbox.dropped_ids()) == ([name_of(name, "shoe")], frozenset())
    session.undo()
    assert in_data(data) == [name_of(name, "dress")]
    case = session.undo()
    assert (in_data(data), case["settled"], session.changed) == ([], False, [])
    store.clean_inbox()
    assert [entry.id for entry in inbox.entries()[0]] == [name]


def test_an_accepted_image_that_vanishes_is_reported_as_missing(send, start, data, inbox):
    name = send(jpeg(900), "dress")
    session, store = start()
    session.decide(0, [Choice(name, "keep")], "")
    (data / "coat").mkdir()
    (data / name_of(name, "dress")).rename(data / name_of(name, "coat"))
    status = store.release()
    assert status.missing == []
    (data / name_of(name, "coat")).unlink()
    session, store = start()
    status = store.release()
    assert (session.cases, [item.image for item in status.missing]) == ([], [name])
    assert describe_lost(status) == (
        [f"1 accepted image missing from data/: data/{name_of(name, 'dress')}"],
        "pixmill review --restore",
    )
    Path(inbox.place, "decided.jsonl").write_bytes(b"")
    assert len(start()[0].cases) == 1


@pytest.mark.parametrize(
    "line",
    [
        "{broken",
        *(
            json.dumps(
                {"image": "a" * 64, "branch": "", "file": file, "md5": "b" * 32, "corrections": 1}
            )
            for file in ("coat/x.jpg", "/tmp/coat/x.jpg", "data/x.jpg")
        ),
    ],
)
def test_a_malformed_log_is_reported_and_kept(send, start, inbox, line):
    name = send(jpeg(900), "dress")
    session, store = start()
    session.decide(0, [Choice(name, "keep")], "")
    path = Path(inbox.place, "decided.jsonl")
    broken = path.read_bytes() + f"{line}\n".encode()
    path.write_bytes(broken)
    for act in (store.release, lambda: session.decide(0, [Choice(name, "relabel", "shoe")], "")):
        with pytest.raises(DataError, match=r"decided\.jsonl, line 2 is malformed"):
            act()
    assert path.read_bytes() == broken


@pytest.mark.parametrize("label", ["hat", None])
def test_the_reviewer_chooses_if_the_correction_is_not_a_class(send, start, data, label):
    name = send(jpeg(900), label)
    session, _ = start()
    assert session.case(0)["images"][0]["label"] is None
    for choice in (
        Choice(name, "keep"),
        Choice(name, "relabel", "hat"),
        Choice(name, "relabel", "../coat"),
    ):
        with pytest.raises(DecisionError):
            session.decide(0, [choice], "")
    assert in_data(data) == []
    session.decide(0, [Choice(name, "relabel", "shoe")], "")
    assert in_data(data) == [name_of(name, "shoe")]


def test_a_known_image_is_relabelled_and_not_copied(project, send, start, data, inbox):
    name = project.add("coat", content=jpeg(900))
    send(jpeg(900), "dress")
    session, store = start()
    case = session.case(0)
    assert (case["title"], case["suggestion"]) == ("Feedback: known image", "dress")
    assert "The manifest has it as 'coat'." in case["why"]
    session.decide(0, [Choice(name, "relabel", "dress")], "seen")
    assert project.lines() == [f"{name},relabel,dress,mk,seen"]
    session.undo()
    assert project.lines() == []
    session.decide(0, [Choice(name, "keep")], "")
    assert (in_data(data), store.count()) == ([], (0, 0))
    store.clean_inbox()
    assert inbox.entries() == ([], 0)


def test_a_correction_of_an_example_refers_to_its_original(project, inbox, start, data):
    name = project.add("coat", content=jpeg(900))
    other = project.add("shoe", content=jpeg(901))
    for seed, label, original in (
        (910, "dress", name),
        (911, "shoe", other),
        (912, "dress", "0" * 64),
    ):
        correction = {
            "extension": ".jpg",
            "prediction": {"label": "coat"},
            "label": label,
            "model": MODEL,
        }
        inbox.add(jpeg(seed), **correction, original=original)
    session, store = start()
    shown = {case["images"][0]["id"]: case for case in map(session.case, range(len(session.cases)))}
    assert shown.keys() == {name, hashlib.sha256(jpeg(912)).hexdigest()}
    assert shown[name]["title"] == "Feedback: known image"
    session.decide(shown[name]["number"], [Choice(name, "relabel", "dress")], "")
    assert project.lines() == [f"{name},relabel,dress,mk,"]
    store.clean_inbox()
    assert [inbox.read_image(entry) for entry in inbox.entries()[0]] == [jpeg(912)]
    assert in_data(data) == []


def test_a_changed_file_is_not_accepted(send, start, data, inbox):
    name = send(jpeg(900), "dress")
    session, _ = start()
    stored(inbox, name).write_bytes(stored(inbox, name).read_bytes()[:-1])
    with pytest.raises(DataError, match="changed_bytes"):
        session.decide(0, [Choice(name, "keep")], "")
    assert (in_data(data), session.case(0)["settled"]) == ([], False)
    assert not Path(inbox.place, "decided.jsonl").exists()


def test_a_full_disk_changes_nothing(send, start, data, inbox):
    name = send(jpeg(900), "dress")
    session, _ = start()
    with limit_file_size(len(jpeg(900)) - 1), pytest.raises(StorageError, match="size limit"):
        session.decide(0, [Choice(name, "keep")], "")
    assert (in_data(data), session.case(0)["settled"]) == ([], False)
    session.decide(0, [Choice(name, "drop")], "")
    assert Path(inbox.place, "decided.jsonl").read_bytes() == b""


@pytest.mark.linux
def test_nothing_is_lost_to_sigkill(send, start, inbox, data):
    """Kill a review at several times: each image is always intact in the inbox or in ``data/``."""
    names = {send(jpeg(900 + number), "dress") for number in range(30)}
    for wait in (0, 0.005, 0.02):
        before = in_data(data)
        if not (reviewer := os.fork()):
            try:
                session, _ = start()
                for number in range(len(session.cases)):
                    name = session.case(number)["images"][0]["id"]
                    for choice in (Choice(name, "keep"), Choice(name, "relabel", "shoe")):
                        session.decide(number, [choice], "")
            finally:
                os._exit(0)
        while in_data(data) == before:
            time.sleep(0.001)
        time.sleep(wait)
        os.kill(reviewer, signal.SIGKILL)
        os.waitpid(reviewer, 0)
        kept = [path.read_bytes() for path in data.rglob("feedback-*")]
        kept += [inbox.read_image(entry) for entry in inbox.entries()[0]]
        assert {hashlib.sha256(content).hexdigest() for content in kept} == names
