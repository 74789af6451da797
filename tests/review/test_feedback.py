"""Images that people corrected the model on: new ones move into ``data/``, known ones get a line in ``review.csv``."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pixmill.core.errors import DataError, StorageError
from pixmill.core.params import parse_params
from pixmill.review.decision_log import Accepted, DecisionLog
from pixmill.review.doubts import find_doubts
from pixmill.review.examining import describe_state
from pixmill.review.feedback import InboxLedger, WithInbox, sort_feedback, unread
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
        feedback = sort_feedback(inbox.entries()[0], material, data, journal.read()[0])
        images = WithInbox(material, feedback, CLASSES)
        desk = InboxLedger(project.ledger(material), feedback, images, data, journal)
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


@pytest.mark.parametrize(("sure", "share"), [(False, "(87%, not sure)"), (True, "(87%)"), (None, "(87%)")])
def test_only_an_answer_that_the_model_called_not_sure_is_told_as_such(project, send, sit, sure, share):
    project.fill("coat", 2)
    send(jpeg(900), "dress", sure=sure)
    session, _ = sit()
    assert f"said 'coat' {share}; users say" in session.case(0)["why"]


def test_an_image_unlike_the_training_images_is_told_as_such(project, inbox, sit):
    project.fill("coat", 2)
    prediction = {"label": "coat", "confidence": 0.873, "sure": False, "unlike": True}
    inbox.add(jpeg(900), correction_of(jpeg(900), extension=".jpg", prediction=prediction, label=None, model=MODEL))
    session, _ = sit()
    assert "said 'coat' (87%, unlike the training images); users say" in session.case(0)["why"]


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
        "The model garments 3 said 'coat' (87%, not sure); users say 'dress' (2 times), 'shoe'. "
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
    assert (told["complete"], told["images"][0]["decision"]["verb"]) == (True, "keep")
    assert (in_data(data), desk.count_moved()) == ([name_of(name, "dress")], 1)
    assert (data / name_of(name, "dress")).read_bytes() == jpeg(900)
    assert not project.review.exists()
    desk.settle()
    assert [item.file for item in desk.release().unadded] == [f"data/{name_of(name, 'dress')}"]
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
    assert (in_data(data), inbox.dropped_ids(), desk.count_dropped()) == ([], {name}, 1)
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
    (data / name_of(name, "dress")).rename(data / "dress/renamed.jpg")
    state = desk.release()
    assert (state.missing, [item.image for item in state.unadded]) == ([], [name])
    (data / "dress/renamed.jpg").unlink()
    session, desk = sit()
    state = desk.release()
    assert (session.cases, [item.image for item in state.missing]) == ([], [name])
    assert describe_state(state) == (
        [f"1 image accepted, missing from data/: data/{name_of(name, 'dress')}"],
        "pixmill review --restore",
    )
    Path(inbox.place, "decided.jsonl").write_bytes(b"")
    assert len(sit()[0].cases) == 1


def test_an_accepted_image_of_which_nothing_is_left_is_said_to_be_lost(send, sit, data, inbox):
    name = send(jpeg(900), "dress")
    session, desk = sit()
    session.decide(0, [Choice(name, "keep")], "")
    stored(inbox, name).unlink()
    assert desk.release().gone == []  # It is in data/, but in no commit: it is not forgotten.
    (data / name_of(name, "dress")).unlink()
    for _ in range(2):
        assert describe_state(desk.release()) == (
            [f"1 image accepted, lost: in no commit, nor in data/ or inbox/: data/{name_of(name, 'dress')}"],
            "delete their lines in inbox/decided.jsonl to forget them",
        )


def test_a_malformed_line_of_what_was_decided_is_skipped_and_stays(send, sit, inbox, data):
    names = [send(jpeg(900), "dress"), send(jpeg(901), "shoe")]
    session, desk = sit()
    for case in range(2):
        (image,) = session.case(case)["images"]
        session.decide(case, [Choice(image["id"], "keep")], "")
    path = Path(inbox.place, "decided.jsonl")
    torn = path.read_bytes().splitlines()[0][:-9] + b"\xff"
    path.write_bytes(torn + b"\n\n" + path.read_bytes().splitlines()[1])
    state = desk.release()
    assert (len(state.unadded), state.malformed) == (1, [torn.decode(errors="replace")])
    lines, command = describe_state(state)
    assert lines == [f"1 malformed line of inbox/decided.jsonl skipped: {state.malformed[0][:60]!a}"]
    assert command == "delete their lines in inbox/decided.jsonl to forget them"
    desk._journal.forget(accepted=names)
    assert path.read_bytes() == torn + b"\n"


@pytest.mark.parametrize(
    "file", ["data/../x/a.jpg", "/data/coat/a.jpg", r"data/coat/..\..\a.jpg", "data/C:/a.jpg", "data/a"]
)
def test_what_was_accepted_lies_in_data(file):
    with pytest.raises(ValueError, match="expected data/<class>/<file>"):
        Accepted(image="0" * 64, branch="", file=file, md5="0" * 32, bytes=1, corrections=1)


def test_a_dropped_image_does_not_come_again(send, sit, inbox):
    name = send(jpeg(900), "dress")
    session, desk = sit()
    session.decide(0, [Choice(name, "drop")], "")
    desk.settle()
    send(jpeg(900), "shoe")
    assert sit()[0].cases == []
    assert Path(inbox.place, "dropped", name).exists()


@pytest.mark.parametrize(("said", "words"), [("hat", "'hat' is not one of the classes"), (None, "none of the classes")])
def test_the_person_chooses_where_the_correction_is_no_class(send, sit, data, said, words):
    name = send(jpeg(900), said)
    session, _ = sit()
    told = session.case(0)
    assert words in told["why"]
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
    assert "in the manifest already, labelled 'coat', so it is not moved" in told["why"]
    session.decide(0, [Choice(name, "relabel", "dress")], "seen")
    assert project.lines() == [f"{name},relabel,dress,mk,seen"]
    session.undo()
    assert project.lines() == []
    session.decide(0, [Choice(name, "keep")], "")
    assert (in_data(data), desk.keeps(name), desk.count_moved()) == ([], False, 0)
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


def test_where_the_label_says_so_already_there_is_nothing_to_decide(project, send, sit, inbox):
    project.add("dress", content=jpeg(900))
    send(jpeg(900), "dress")
    session, desk = sit()
    assert session.cases == []
    desk.settle()
    assert inbox.entries() == ([], 0)


def test_what_lies_in_data_waits_for_the_manifest(project, send, sit, data, inbox):
    for place in ("coat", "unlabelled"):
        (data / place).mkdir()
    (data / "coat/mine.jpg").write_bytes(jpeg(900))
    (data / "unlabelled/other.jpg").write_bytes(jpeg(901))
    (data / "coat/same size.jpg").write_bytes(bytes(len(jpeg(901))))
    there, unlabelled = send(jpeg(900), "dress"), send(jpeg(901), "dress")
    session, desk = sit()
    assert [image["id"] for image in session.case(0)["images"]] == [unlabelled]
    assert len(session.cases) == 1
    desk.settle()
    assert {entry.id for entry in inbox.entries()[0]} == {there, unlabelled}
    project.add("coat", content=jpeg(900))
    assert sorted(case.title for case in sit()[0].cases) == ["Feedback: known image", "Feedback: new image"]


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
    assert Path(inbox.place, "decided.jsonl").read_bytes() == b""


def test_it_is_told_where_data_is_not_read():
    def line(scrape):
        return unread(parse_params(f"classes: [coat, hat]\nscrape: {{snapshot: '2026-11-20', {scrape}}}\n"))

    assert line("source: [bing, folder]") is line("source: shop") is None
    assert line("source: bing") == "scrape.source: [bing, folder]"
    by_class = "source: folder, source_by_class: {hat: [bing, google]}"
    assert line(by_class) == "scrape.source_by_class.hat: [bing, google, folder]"
    assert line("source: bing, source_by_class: {hat: [folder]}") == "scrape.source: [bing, folder]"


_REVIEWER = """
import sys
from pathlib import Path
from pixmill.review.feedback import InboxLedger, WithInbox, sort_feedback
from pixmill.review.decision_log import DecisionLog
from pixmill.review.review_session import Choice
from pixmill.serve.inbox import Inbox
from pixmill.validate.decisions import Decision
from tests.review.conftest import CLASSES, Project

project = Project(Path(sys.argv[1]))
material = project.material()
inbox = Inbox(project.root / "inbox")
data = project.root / "data"
journal = DecisionLog(inbox, project.root)
feedback = sort_feedback(inbox.entries()[0], material, data)
images = WithInbox(material, feedback, CLASSES)
desk = InboxLedger(project.ledger(material), feedback, images, data, journal)
desk.sweep()
print("ready", flush=True)
for entry in feedback.new:
    desk.change({entry.id: Decision(0, entry.id, "keep", "", "mk", "")})
    desk.change({entry.id: Decision(0, entry.id, "relabel", "shoe", "mk", "")})
desk.settle()
"""


def test_nothing_is_lost_to_sigkill(project, send, inbox, data, repository):
    """Kill a reviewer at several instants: each image is whole in the inbox or in ``data/`` all the time."""
    names = {send(jpeg(900 + number), "dress") for number in range(30)}
    for wait in (0, 0.005, 0.02, None):
        reviewer = subprocess.Popen(
            [sys.executable, "-c", _REVIEWER, project.root],
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": f"{repository}{os.pathsep}{repository / 'src'}"},
        )
        assert reviewer.stdout.readline() == b"ready\n"
        while wait is None and reviewer.poll() is None and not list(data.rglob("feedback-*")):
            time.sleep(0.005)
        time.sleep(wait or 0)
        os.kill(reviewer.pid, signal.SIGKILL)
        reviewer.communicate()
        kept = [path.read_bytes() for path in data.rglob("feedback-*")]
        kept += [inbox.read_image(entry) for entry in inbox.entries()[0]]
        assert {hashlib.sha256(content).hexdigest() for content in kept} == names
    assert in_data(data)
