"""Corrections: new images are copied into ``data/`` with a row, known ones get a row alone."""

import hashlib
import json
import time
from pathlib import Path

import pytest

from pixmill.core.decisions import FORGOTTEN, set_fate
from pixmill.core.errors import DataError, StorageError
from pixmill.core.files.workspace import Workspace
from pixmill.core.params import load_params
from pixmill.dataset.deciding import DecisionTable
from pixmill.dataset.inbox import Inbox
from pixmill.review.case_view import case_content, overview
from pixmill.review.choices import DecisionError
from pixmill.review.recovery import describe_missing, restore
from pixmill.review.serving import end_session
from tests.disk import limit_file_size
from tests.review.conftest import LABELS_PARAMS, Desk, jpeg

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
def start(project, data):
    """Returns a session on the current inbox."""

    def start(**options):
        project.write()
        return Desk(project.root, only="feedback", **options)

    return start


def waiting(inbox):
    return {entry.id for entry in inbox.entries()[0]}


def in_data(data):
    return sorted(path.relative_to(data).as_posix() for path in data.rglob("*") if path.is_file())


def stored(inbox, name):
    """Return the file of the only correction of an image."""
    ((place,),) = (entry.names for entry in inbox.entries()[0] if entry.id == name)
    return Path(inbox.place, place)


def name_of(name, label):
    return f"{label}/feedback-{time.strftime('%Y-%m-%d', time.gmtime())}-{name[:16]}.jpg"


def test_shows_the_prediction_and_all_corrections_of_a_new_image(project, send, start):
    project.fill("coat", 2)
    send(jpeg(901), None)
    name = send(jpeg(900), "dress", sure=False)
    send(jpeg(900), "shoe")
    send(jpeg(900), "dress", sure=False)
    session = start().session
    assert (overview(session)["total"], overview(session)["inbox"]) == (2, True)
    cases = [case_content(session, number) for number in range(2)]
    case = next(case for case in cases if case["images"][0]["id"] == name)
    assert (case["kind"], case["settled"]) == ("feedback", False)
    assert (
        "garments 3 said 'coat' (87 %, not sure); it was corrected to 'dress', 'shoe'"
        in case["why"]
    )
    [image] = case["images"]
    assert (image["label"], image["came_as"]) == ("dress", ["dress", "shoe"])
    assert (image["verdict"], image["bytes"]) == ("new", len(jpeg(900)))
    assert image["places"][0]["title"].startswith("received ")


def test_an_accepted_image_is_copied_to_its_class_and_stays_in_the_inbox(
    project, send, start, data, inbox
):
    name = send(jpeg(900), "dress")
    desk = start()
    desk.decide("keep", name, case=0)
    assert case_content(desk.session, 0)["settled"]
    assert (data / name_of(name, "dress")).read_bytes() == jpeg(900)
    assert project.said() == {(name, "yes", "dress", "")}
    summary, _ = end_session(desk.session)
    assert summary == "1 image decided, 1 correction accepted into data/."
    assert describe_missing(project.root) is None
    assert waiting(inbox) == {name}
    assert start().session.cases == []
    # Even if the manifest has it under the same label by now, no commit holds it.
    project.add("dress", content=jpeg(900))
    start().session.corrections.release()
    assert waiting(inbox) == {name}


def test_an_image_is_not_accepted_into_a_link_out_of_data(send, start, data, inbox, tmp_path):
    (tmp_path / "home").mkdir()
    (data / "dress").symlink_to(tmp_path / "home")
    name = send(jpeg(900), "dress")
    with pytest.raises(DataError, match="leads out of"):
        start().decide("keep", name)
    assert not [*(tmp_path / "home").iterdir()]
    assert waiting(inbox) == {name}


def test_a_decision_can_be_changed_and_undone(project, send, start, data, inbox):
    name = send(jpeg(900), "dress")
    desk = start()
    desk.decide("drop", name)
    assert inbox.dropped_ids() == {name}
    desk.decide("keep", name)
    assert (in_data(data), inbox.dropped_ids()) == ([name_of(name, "dress")], frozenset())
    desk.decide("relabel", name, label="shoe")  # the file stays where it is
    assert in_data(data) == [name_of(name, "dress")]
    assert (name, "yes", "shoe", "") in project.said()
    desk.undo()
    desk.undo()
    assert (in_data(data), project.said(), inbox.dropped_ids()) == ([], set(), {name})
    desk.undo()
    assert inbox.dropped_ids() == frozenset()
    end_session(desk.session)
    assert waiting(inbox) == {name}
    assert len(start().session.cases) == 1


def test_a_dropped_image_leaves_the_inbox(send, start, inbox):
    name = send(jpeg(900), "dress")
    desk = start()
    desk.decide("drop", name, case=0)
    assert case_content(desk.session, 0)["settled"]
    assert end_session(desk.session)[0] == "1 image decided, 1 correction dropped."
    assert (waiting(inbox), inbox.dropped_ids()) == (set(), {name})


def test_a_forgotten_image_that_is_sent_again_leaves_the_inbox(project, send, start, inbox):
    name = send(jpeg(900), "dress")
    DecisionTable(project.root).decide(set_fate(name, "drop", why=FORGOTTEN))
    session = start().session
    assert session.cases == []
    end_session(session)
    assert waiting(inbox) == set()


def test_an_accepted_image_that_vanishes_is_reported_as_missing(project, send, start, data):
    name = send(jpeg(900), "dress")
    start().decide("keep", name)
    (data / "coat").mkdir()
    (data / name_of(name, "dress")).rename(data / name_of(name, "coat"))
    assert describe_missing(project.root) is None
    (data / name_of(name, "coat")).unlink()
    assert start().session.cases == []
    assert describe_missing(project.root) == (
        [f"1 accepted image missing from data/: data/{name_of(name, 'dress')}"],
        "pixmill review --restore",
    )


@pytest.mark.parametrize("file", ["coat/x.jpg", "/tmp/coat/x.jpg", "data/x.jpg"])
def test_a_malformed_log_is_reported_and_kept(project, send, start, file):
    name = send(jpeg(900), "dress")
    start().decide("keep", name)
    path = project.root / "inbox/decided.jsonl"
    accepted = {"image": "a" * 64, "file": file, "md5": "b" * 32, "corrections": 1}
    broken = path.read_bytes() + f"{json.dumps({'accepted': accepted})}\n".encode()
    path.write_bytes(broken)
    with pytest.raises(DataError, match=r"decided\.jsonl, line 2 is malformed"):
        start()
    assert path.read_bytes() == broken


@pytest.mark.parametrize("label", ["hat", None])
def test_the_reviewer_chooses_if_the_correction_is_not_a_class(send, start, data, label):
    name = send(jpeg(900), label)
    desk = start()
    assert case_content(desk.session, 0)["images"][0]["label"] is None
    with pytest.raises(DecisionError):
        desk.decide("keep", name)
    assert in_data(data) == []
    desk.decide("relabel", name, label="shoe")
    assert in_data(data) == [name_of(name, "shoe")]


def test_a_known_image_is_relabelled_and_not_copied(project, send, start, data, inbox):
    name = project.add("coat", content=jpeg(900))
    send(jpeg(900), "dress")
    desk = start()
    case = case_content(desk.session, 0)
    assert (case["title"], case["suggestion"]) == ("Correction: an image of the project", "dress")
    desk.decide("relabel", name, label="dress", why="seen")
    assert project.said() == {(name, "yes", "dress", ""), (name, "keep", "", "")}
    desk.undo()
    desk.decide("keep", name)
    assert (in_data(data), project.said()) == ([], {(name, "keep", "", "")})
    end_session(desk.session)
    assert waiting(inbox) == set()


def test_a_correction_of_an_example_refers_to_its_original(project, inbox, start, data):
    name = project.add("coat", content=jpeg(900))
    other = project.add("shoe", content=jpeg(901))
    for seed, label, original in (
        (910, "dress", name),
        (911, "shoe", other),
        (912, "dress", "0" * 64),
    ):
        sent = {"extension": ".jpg", "prediction": {"label": "coat"}, "model": MODEL}
        inbox.add(jpeg(seed), **sent, label=label, original=original)
    desk = start()
    new = hashlib.sha256(jpeg(912)).hexdigest()
    shown = [case_content(desk.session, number)["images"][0]["id"] for number in range(2)]
    assert {*shown} == {name, new}
    desk.decide("relabel", name, label="dress")
    end_session(desk.session)
    assert waiting(inbox) == {new}
    assert in_data(data) == []


def test_a_changed_file_is_not_accepted(project, send, start, data, inbox):
    name = send(jpeg(900), "dress")
    desk = start()
    (entry,) = inbox.entries()[0]
    path = Path(inbox.place, entry.names[0])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="changed_bytes"):
        desk.decide("keep", name)
    assert (in_data(data), project.said()) == ([], set())


def test_a_full_disk_changes_nothing(project, send, start, data):
    name = send(jpeg(900), "dress")
    desk = start()
    with limit_file_size(len(jpeg(900)) - 1), pytest.raises(StorageError, match="size limit"):
        desk.decide("keep", name)
    assert (in_data(data), project.said()) == ([], set())
    desk.decide("drop", name)


def test_an_accept_that_was_killed_is_known(project, send, start, data, inbox, monkeypatch):
    """Between the file and its log, or the log and its row."""
    name = send(jpeg(900), "dress")

    def fail(*_, **__):
        raise KeyboardInterrupt

    desk = start()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(desk.session.table, "decide", fail)
        desk.decide("keep", name)
    assert in_data(data) == [name_of(name, "dress")]
    desk = start()
    assert len(desk.session.cases) == 1
    desk.decide("relabel", name, label="shoe")
    assert in_data(data) == [name_of(name, "dress")]
    assert project.said() == {(name, "yes", "shoe", "")}
    project.decisions.unlink()
    assert start().session.cases == []
    assert describe_missing(project.root) is not None
    restore(Workspace(project.root, project.root), load_params(project.root))
    assert project.said() == {(name, "yes", "shoe", "")}
    assert describe_missing(project.root) is None
    (data / name_of(name, "dress")).unlink()
    assert describe_missing(project.root) is not None


def test_correction_of_several_labels_is_accepted_with_a_row_for_each(project, inbox, start, data):
    project.params = LABELS_PARAMS
    known = project.add('{"dark":true,"long":true}', content=jpeg(901))
    given = {"prediction": {"label": "none of these"}, "label": None, "model": MODEL}
    inbox.add(jpeg(901), extension=".jpg", labels={"dark": True, "long": False}, **given)
    name = inbox.add(jpeg(900), extension=".jpg", labels={"dark": False, "long": True}, **given)
    # What is about another task, or no class, is not asked.
    for seed, label, labels in ((903, "coat", None), (904, None, {"": True, "gone": True})):
        content = jpeg(seed)
        project.add("{}", content=content)
        inbox.add(content, extension=".jpg", **{**given, "label": label, "labels": labels})
    desk = start()
    assert desk.session.corrections.foreign == 1
    asked = {(case.label, case.suggestion) for case in desk.session.cases}
    assert asked == {("long", "no"), ("", None)}
    for label in ("dark", "long", "sleeves"):
        desk.decide("relabel", name, label=label)
    desk.undo()
    assert (in_data(data), project.said()) == ([], set())
    desk.decide("keep", name)
    assert in_data(data) == [name_of(name, "unlabelled")]
    assert project.said() == {(name, "yes", "dark", ""), (name, "no", "long", "")}
    desk.decide("no", known, label="long")
    assert (known, "no", "long", "") in project.said()
    for _ in range(4):
        desk.undo()
    assert (in_data(data), project.said()) == ([], set())
    assert desk.session.corrections.label(name) == '{"dark":false,"long":true}'


def test_correction_of_an_image_stays_until_each_label_is_answered(project, inbox, start):
    project.params = LABELS_PARAMS
    known = project.add('{"dark":true}', content=jpeg(901))
    given = {"prediction": {"label": "dark"}, "label": None, "model": MODEL}
    inbox.add(jpeg(901), extension=".jpg", labels={"dark": False}, **given)
    desk = start()
    for label, left in (("long", 1), ("dark", 0)):
        desk.decide("no", known, label=label)
        desk.session.corrections.release()
        assert len(inbox.entries()[0]) == left
