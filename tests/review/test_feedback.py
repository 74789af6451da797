"""Images that people corrected the model on: new ones move into ``data/``, known ones get a line in ``review.csv``."""

import hashlib
import json
import os
import signal
import time
from pathlib import Path

import pytest

from pixmill.core.errors import DataError, StorageError
from pixmill.review.decision_log import DecisionLog
from pixmill.review.doubts import find_doubts
from pixmill.review.examining import describe_state
from pixmill.review.feedback import InboxLedger, WithInbox
from pixmill.review.review_session import Choice, DecisionError, Session
from pixmill.serve.correction import correction_of
from pixmill.serve.inbox import Inbox
from tests.disk import limit_file_size
from tests.review.conftest import CLASSES, jpeg

MODEL = {"name": "garments", "version": "3", "digest": "ab" * 32}


@pytest.fixture
def inbox(project):
    return Inbox(project.root / "inbox")


@pytest.fixture
def send(inbox):
    def send(content, label, said="coat", confidence=0.873, sure=True):
        prediction = {"label": said, "confidence": confidence, "sure": sure, "probabilities": {said: confidence}}
        told = correction_of(content, extension=".jpg", prediction=prediction, label=label, model=MODEL)
        return inbox.add(content, told)

    return send


@pytest.fixture
def data(project):
    folder = project.root / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def sit(project, inbox, data):
    """Begin a sitting on what lies in the inbox; return its session and where decisions go."""

    def sit():
        material = project.material()
        journal = DecisionLog(inbox, project.root)
        images = WithInbox(material, inbox.entries()[0], CLASSES, journal.read()[0])
        desk = InboxLedger(project.ledger(material), images, data, journal)
        cases = find_doubts(material, images.cases(), only="feedback")
        return Session(images, cases, desk, classes=CLASSES, by="mk"), desk

    return sit


def in_data(data):
    return sorted(path.relative_to(data).as_posix() for path in data.rglob("*") if path.is_file())


def stored(inbox, name):
    """Return the file of the only correction of an image."""
    ((place,),) = (entry.names for entry in inbox.entries()[0] if entry.id == name)
    return Path(inbox.place, place)


def name_of(name, label):
    return f"{label}/feedback-{time.strftime('%Y-%m-%d', time.gmtime())}-{name[:16]}.jpg"


def test_a_new_image_is_shown_with_what_the_model_and_people_said(project, send, sit):
    project.fill("coat", 2)
    send(jpeg(901), None)
    name = send(jpeg(900), "dress", sure=False)
    send(jpeg(900), "shoe")
    send(jpeg(900), "dress", sure=False)
    session, _ = sit()
    assert (session.overview()["total"], session.overview()["inbox"]) == (2, True)
    told = next(case for case in map(session.case, range(2)) if case["images"][0]["id"] == name)
    assert (told["kind"], told["title"], told["settled"]) == ("feedback", "Feedback: new image", False)
    assert told["why"] == (
        "The model garments 3 said 'coat' (87%, not sure); users say 'dress', 'shoe'. "
        "Accept it to put it into data/, or drop it for good."
    )
    [image] = told["images"]
    assert (image["label"], image["came_as"], image["verdict"]) == ("dress", ["dress", "shoe"], "new")
    assert image["bytes"] == len(jpeg(900))
    assert image["places"][0]["url"].startswith("inbox/corrections/")


def test_an_accepted_image_goes_into_the_folder_of_its_class_and_stays_in_the_inbox(project, send, sit, data, inbox):
    name = send(jpeg(900), "dress")
    session, desk = sit()
    told = session.decide(0, [Choice(name, "keep")], "")
    assert (told["settled"], told["images"][0]["decision"]["verb"]) == (True, "keep")
    assert (in_data(data), desk.count()) == ([name_of(name, "dress")], (1, 0))
    assert (data / name_of(name, "dress")).read_bytes() == jpeg(900)
    assert not project.review.exists()
    desk.settle()
    assert describe_state(desk.release()) is None
    assert [inbox.read_image(entry) for entry in inbox.entries()[0]] == [jpeg(900)]
    assert sit()[0].cases == []
    # The manifest may know it by now, under the very label: it is in no commit all the same.
    project.add("dress", content=jpeg(900))
    _, desk = sit()
    desk.settle()
    desk.release()
    assert len(inbox.entries()[0]) == 1


def test_a_decision_can_be_changed_and_undone(send, sit, data, inbox):
    name = send(jpeg(900), "dress")
    session, desk = sit()
    session.decide(0, [Choice(name, "keep")], "")
    session.decide(0, [Choice(name, "relabel", "shoe")], "")
    assert in_data(data) == [name_of(name, "shoe")]
    session.decide(0, [Choice(name, "drop")], "")
    assert (in_data(data), inbox.dropped_ids(), desk.count()) == ([], {name}, (0, 1))
    assert len(session.changed) == 3
    session.undo()
    assert (in_data(data), inbox.dropped_ids()) == ([name_of(name, "shoe")], frozenset())
    session.undo()
    assert in_data(data) == [name_of(name, "dress")]
    told = session.undo()
    assert (in_data(data), told["settled"], session.changed) == ([], False, [])
    desk.settle()
    assert [entry.id for entry in inbox.entries()[0]] == [name]


def test_an_accepted_image_that_vanishes_is_missing_and_no_new_one(send, sit, data, inbox):
    name = send(jpeg(900), "dress")
    session, desk = sit()
    session.decide(0, [Choice(name, "keep")], "")
    (data / "coat").mkdir()
    (data / name_of(name, "dress")).rename(data / name_of(name, "coat"))
    state = desk.release()
    assert state.missing == []
    (data / name_of(name, "coat")).unlink()
    session, desk = sit()
    state = desk.release()
    assert (session.cases, [item.image for item in state.missing]) == ([], [name])
    assert describe_state(state) == (
        [f"1 accepted image missing from data/: data/{name_of(name, 'dress')}"],
        "pixmill review --restore",
    )
    Path(inbox.place, "decided.jsonl").write_bytes(b"")
    assert len(sit()[0].cases) == 1


@pytest.mark.parametrize(
    "line",
    [
        "{torn",
        *(
            json.dumps({"image": "a" * 64, "branch": "", "file": file, "md5": "b" * 32, "corrections": 1})
            for file in ("data/../../coat/x.jpg", "/tmp/coat/x.jpg", "data/coat/*")
        ),
    ],
)
def test_a_malformed_line_of_what_was_decided_is_named_and_stays(send, sit, inbox, line):
    name = send(jpeg(900), "dress")
    session, desk = sit()
    session.decide(0, [Choice(name, "keep")], "")
    path = Path(inbox.place, "decided.jsonl")
    torn = path.read_bytes() + f"{line}\n".encode()
    path.write_bytes(torn)
    for act in (desk.release, lambda: session.decide(0, [Choice(name, "relabel", "shoe")], "")):
        with pytest.raises(DataError, match=r"decided\.jsonl, line 2 is malformed"):
            act()
    assert path.read_bytes() == torn


@pytest.mark.parametrize("label", ["hat", None])
def test_the_person_chooses_where_the_correction_is_no_class(send, sit, data, label):
    name = send(jpeg(900), label)
    session, _ = sit()
    told = session.case(0)
    assert told["images"][0]["label"] is None
    for choice in (Choice(name, "keep"), Choice(name, "relabel", "hat"), Choice(name, "relabel", "../coat")):
        with pytest.raises(DecisionError):
            session.decide(0, [choice], "")
    assert in_data(data) == []
    session.decide(0, [Choice(name, "relabel", "shoe")], "")
    assert in_data(data) == [name_of(name, "shoe")]


def test_a_known_image_is_not_moved_but_relabelled(project, send, sit, data, inbox):
    name = project.add("coat", content=jpeg(900))
    send(jpeg(900), "dress")
    session, desk = sit()
    told = session.case(0)
    assert (told["title"], told["suggestion"]) == ("Feedback: known image", "dress")
    assert "The manifest has it as 'coat'." in told["why"]
    session.decide(0, [Choice(name, "relabel", "dress")], "seen")
    assert project.lines() == [f"{name},relabel,dress,mk,seen"]
    session.undo()
    assert project.lines() == []
    session.decide(0, [Choice(name, "keep")], "")
    assert (in_data(data), desk.count()) == ([], (0, 0))
    desk.settle()
    assert inbox.entries() == ([], 0)


def test_an_example_of_the_server_is_the_image_it_was_made_from(project, inbox, sit, data):
    name = project.add("coat", content=jpeg(900))
    other = project.add("shoe", content=jpeg(901))
    said = {"label": "coat"}
    for seed, label, original in ((910, "dress", name), (911, "shoe", other), (912, "dress", "0" * 64)):
        told = {"extension": ".jpg", "prediction": said, "label": label, "model": MODEL, "original": original}
        inbox.add(jpeg(seed), correction_of(jpeg(seed), **told))
    session, desk = sit()
    shown = {told["images"][0]["id"]: told for told in map(session.case, range(len(session.cases)))}
    assert shown.keys() == {name, hashlib.sha256(jpeg(912)).hexdigest()}
    assert shown[name]["title"] == "Feedback: known image"
    session.decide(shown[name]["number"], [Choice(name, "relabel", "dress")], "")
    assert project.lines() == [f"{name},relabel,dress,mk,"]
    desk.settle()
    assert [inbox.read_image(entry) for entry in inbox.entries()[0]] == [jpeg(912)]
    assert in_data(data) == []


def test_a_changed_file_is_not_accepted(send, sit, data, inbox):
    name = send(jpeg(900), "dress")
    session, _ = sit()
    stored(inbox, name).write_bytes(stored(inbox, name).read_bytes()[:-1])
    with pytest.raises(DataError, match="changed_bytes"):
        session.decide(0, [Choice(name, "keep")], "")
    assert (in_data(data), session.case(0)["settled"]) == ([], False)
    assert not Path(inbox.place, "decided.jsonl").exists()


def test_a_full_disk_decides_nothing(send, sit, data, inbox):
    name = send(jpeg(900), "dress")
    session, _ = sit()
    with limit_file_size(len(jpeg(900)) - 1), pytest.raises(StorageError, match="size limit"):
        session.decide(0, [Choice(name, "keep")], "")
    assert (in_data(data), session.case(0)["settled"]) == ([], False)
    session.decide(0, [Choice(name, "drop")], "")
    assert Path(inbox.place, "decided.jsonl").read_bytes() == b""


@pytest.mark.linux
def test_nothing_is_lost_to_sigkill(send, sit, inbox, data):
    """Kill a reviewer at several instants: each image is whole in the inbox or in ``data/`` all the time."""
    names = {send(jpeg(900 + number), "dress") for number in range(30)}
    for wait in (0, 0.005, 0.02):
        before = in_data(data)
        if not (reviewer := os.fork()):
            try:
                session, _ = sit()
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
