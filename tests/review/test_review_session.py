"""A sitting shows cases, takes decisions and takes them back."""

import pytest

from pixmill.review.doubts import find_doubts
from pixmill.review.review_session import Choice, DecisionError, Session
from tests.review.conftest import CLASSES


@pytest.fixture
def sit(project):
    """A function that writes the project and sits down to it."""

    def begin(**more):
        material = project.material()
        cases = find_doubts(material)
        return Session(material, cases, project.ledger(material), classes=CLASSES, by="mk", **more)

    return begin


@pytest.fixture
def pair(project):
    """Two near-duplicates across labels, in the order in which their case shows them."""
    names = project.add("coat"), project.add("dress")
    project.link(*names, 0.9912)
    return sorted(names)


def test_a_case_tells_all_that_is_known_of_its_images(project, sit):
    torn = project.add(
        None,
        came_as=["coat", "shoe", "coat", "shoe"],
        reason="label_conflict",
        urls=[f"http://a/{number}" for number in range(4)],
    )
    project.sightings[0] |= {"title": "<b>A coat", "query": "warm coat"}
    told = sit().case(0)
    assert (told["kind"], told["total"], told["done"], told["settled"], told["next"]) == ("conflicts", 1, 0, False, 0)
    (image,) = told["images"]
    assert image["id"] == torn
    assert (image["label"], image["came_as"]) == (None, ["coat", "shoe"])
    assert (image["size"], image["format"]) == ("48 \u00d7 48", "jpeg")
    assert image["reason"] == "the same image was also found under another label"
    assert image["places"][0] == {
        "source": "folder",
        "label": "coat",
        "query": "warm coat",
        "title": "<b>A coat",
        "url": "http://a/0",
    }
    assert (len(image["places"]), image["more_places"]) == (3, 1)
    assert image["decision"] is None


def test_decisions_are_written_at_once_and_counted(project, pair, sit):
    small = project.add("coat", reason="too_small")
    session = sit()
    assert session.overview() == {
        "by": "mk",
        "classes": list(CLASSES),
        "total": 2,
        "first": 0,
        "image": None,
        "inbox": False,
    }
    told = session.decide(0, [Choice(pair[0], "drop")], "blurred")
    assert project.lines() == [f"{pair[0]},drop,,mk,blurred"]
    assert (told["settled"], told["done"], told["next"]) == (True, 1, 1)
    assert told["images"][0]["decision"] == {"verb": "drop", "label": "", "by": "mk", "why": "blurred"}
    session.decide(0, [Choice(pair[1], "relabel", "shoe")], "")
    told = session.decide(1, [Choice(small, "keep")], "")
    assert (told["done"], told["next"], len(session.changed)) == (2, None, 3)
    assert told["kinds"] == [
        {"kind": "near-duplicates", "total": 1, "done": 1, "first": 0},
        {"kind": "dropped", "total": 1, "done": 1, "first": 1},
    ]
    assert session.overview()["first"] is None
    written = [f"{pair[0]},drop,,mk,blurred", f"{pair[1]},relabel,shoe,mk,", f"{small},keep,,mk,"]
    assert project.lines() == sorted(written)


def test_every_step_can_be_undone(project, pair, sit):
    line = f'"{pair[0]}","drop","","jo",""'
    project.review.write_text(f"image,decision,label,by,why\n{line}\n")
    session = sit()
    session.decide(0, [Choice(pair[0], "keep"), Choice(pair[1], "drop")], "")
    session.decide(0, [Choice(pair[0], "clear")], "")
    assert project.lines() == [f"{pair[1]},drop,,mk,"]
    assert session.undo()["undoable"] == 1
    assert len(project.lines()) == 2
    told = session.undo()
    assert project.lines() == [f"{pair[0]},drop,,jo,"]
    assert (told["number"], told["undoable"], len(session.changed)) == (0, 0, 0)
    with pytest.raises(DecisionError, match="nothing to undo"):
        session.undo()


def test_what_somebody_changed_meanwhile_is_not_undone(project, pair, sit):
    session = sit()
    session.decide(0, [Choice(pair[0], "keep")], "")
    project.review.write_text(f"image,decision,label,by,why\n{pair[0]},drop,,jo,\n")
    with pytest.raises(DecisionError, match="has been changed elsewhere"):
        session.undo()
    assert project.lines() == [f"{pair[0]},drop,,jo,"]


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        (("torn", "keep"), "not one of the classes; use relabel"),
        (("torn", "relabel", "hat"), "expected one of the labels coat, dress, shoe, received 'hat'"),
        (("lost", "drop"), "that image is not in this case"),
        (("nobody", "drop"), "that image is not in this case"),
    ],
)
def test_a_choice_without_effect_is_refused(project, sit, choice, told):
    torn = project.add(None, came_as=["coat", "shoe"], reason="label_conflict")
    lost = project.add("hat", reason="label_undeclared")
    session = sit()
    name, *words = choice
    with pytest.raises(DecisionError, match=told):
        session.decide(0, [Choice({"torn": torn, "lost": lost}.get(name, "0" * 64), *words)], "")
    with pytest.raises(DecisionError, match=r"its label \(hat\) is not one of the classes"):
        session.decide(1, [Choice(lost, "keep")], "")
    assert not project.review.exists()
    session.decide(1, [Choice(lost, "relabel", "shoe")], "")
    assert project.lines() == [f"{lost},relabel,shoe,mk,"]


def test_relabelling_to_the_label_that_it_came_with_keeps_it_and_keeping_an_earlier_relabel_repeats_it(project, sit):
    plain = project.add("coat", reason="too_small")
    torn = project.add("shoe", came_as=["coat", "shoe"], reason="too_small")
    moved = project.add("shoe", came_as=["dress"], reason="too_small")
    session = sit()
    numbers = {session.case(number)["images"][0]["id"]: number for number in range(3)}
    session.decide(numbers[plain], [Choice(plain, "relabel", "coat")], "")
    session.decide(numbers[torn], [Choice(torn, "relabel", "shoe")], "")
    session.decide(numbers[moved], [Choice(moved, "keep")], "")
    assert project.lines() == sorted([f"{plain},keep,,mk,", f"{torn},relabel,shoe,mk,", f"{moved},relabel,shoe,mk,"])
    session.decide(numbers[moved], [Choice(moved, "relabel", "dress")], "")
    assert f"{moved},keep,,mk," in project.lines()
