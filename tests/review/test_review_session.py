"""A review session shows cases, and makes and undoes decisions."""

import pytest

from pixmill.review.cases import find_cases
from pixmill.review.review_session import Choice, DecisionError, Session
from tests.review.conftest import CLASSES


@pytest.fixture
def start(project):
    """A function that writes the project and returns a session."""

    def start(**more):
        tables = project.tables()
        cases = find_cases(tables)
        return Session(tables, cases, project.review_file(tables), classes=CLASSES, by="mk", **more)

    return start


@pytest.fixture
def pair(project):
    """Ids of two near-duplicates with different labels, in display order."""
    names = project.add("coat"), project.add("dress")
    project.link(*names, 0.9912)
    return sorted(names)


def test_a_case_has_all_facts_about_its_images(project, start):
    conflicting = project.add(
        None,
        came_as=["coat", "shoe", "coat", "shoe"],
        reason="label_conflict",
        urls=[f"http://a/{number}" for number in range(4)],
    )
    project.sightings[0] |= {"title": "<b>A coat", "query": "warm coat"}
    case = start().case(0)
    assert (case["kind"], case["total"], case["done"], case["settled"], case["next"]) == (
        "conflicts",
        1,
        0,
        False,
        0,
    )
    (image,) = case["images"]
    assert image["id"] == conflicting
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


def test_writes_and_counts_decisions(project, pair, start):
    small = project.add("coat", reason="too_small")
    session = start()
    assert session.overview() == {
        "by": "mk",
        "classes": list(CLASSES),
        "total": 2,
        "first": 0,
        "image": None,
        "inbox": False,
    }
    case = session.decide(0, [Choice(pair[0], "drop")], "blurred")
    assert project.lines() == [f"{pair[0]},drop,,mk,blurred"]
    assert (case["settled"], case["done"], case["next"]) == (True, 1, 1)
    assert case["images"][0]["decision"] == {
        "verb": "drop",
        "label": "",
        "by": "mk",
        "why": "blurred",
    }
    session.decide(0, [Choice(pair[1], "relabel", "shoe")], "")
    case = session.decide(1, [Choice(small, "keep")], "")
    assert (case["done"], case["next"], len(session.changed)) == (2, None, 3)
    assert case["kinds"] == [
        {"kind": "near-duplicates", "total": 1, "done": 1, "first": 0},
        {"kind": "dropped", "total": 1, "done": 1, "first": 1},
    ]
    assert session.overview()["first"] is None
    written = [f"{pair[0]},drop,,mk,blurred", f"{pair[1]},relabel,shoe,mk,", f"{small},keep,,mk,"]
    assert project.lines() == sorted(written)


def test_undoes_every_step(project, pair, start):
    line = f'"{pair[0]}","drop","","jo",""'
    project.review.write_text(f"image,decision,label,by,why\n{line}\n")
    session = start()
    session.decide(0, [Choice(pair[0], "keep"), Choice(pair[1], "drop")], "")
    session.decide(0, [Choice(pair[0], "clear")], "")
    assert project.lines() == [f"{pair[1]},drop,,mk,"]
    assert session.undo()["undoable"] == 1
    assert len(project.lines()) == 2
    case = session.undo()
    assert project.lines() == [f"{pair[0]},drop,,jo,"]
    assert (case["number"], case["undoable"], len(session.changed)) == (0, 0, 0)
    with pytest.raises(DecisionError, match="nothing to undo"):
        session.undo()


def test_does_not_undo_over_a_change_by_others(project, pair, start):
    session = start()
    session.decide(0, [Choice(pair[0], "keep")], "")
    project.review.write_text(f"image,decision,label,by,why\n{pair[0]},drop,,jo,\n")
    with pytest.raises(DecisionError, match="has been changed elsewhere"):
        session.undo()
    assert project.lines() == [f"{pair[0]},drop,,jo,"]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (("conflicting", "keep"), "not one of the classes; use relabel"),
        (
            ("conflicting", "relabel", "hat"),
            "expected one of the labels coat, dress, shoe, received 'hat'",
        ),
        (("lost", "drop"), "that image is not in this case"),
        (("nobody", "drop"), "that image is not in this case"),
    ],
)
def test_refuses_impossible_choices(project, start, choice, message):
    conflicting = project.add(None, came_as=["coat", "shoe"], reason="label_conflict")
    lost = project.add("hat", reason="label_undeclared")
    session = start()
    name, *words = choice
    with pytest.raises(DecisionError, match=message):
        session.decide(
            0, [Choice({"conflicting": conflicting, "lost": lost}.get(name, "0" * 64), *words)], ""
        )
    with pytest.raises(DecisionError, match=r"its label \(hat\) is not one of the classes"):
        session.decide(1, [Choice(lost, "keep")], "")
    assert not project.review.exists()
    session.decide(1, [Choice(lost, "relabel", "shoe")], "")
    assert project.lines() == [f"{lost},relabel,shoe,mk,"]


def test_keep_and_relabel_depend_on_the_original_label(project, start):
    plain = project.add("coat", reason="too_small")
    conflicting = project.add("shoe", came_as=["coat", "shoe"], reason="too_small")
    moved = project.add("shoe", came_as=["dress"], reason="too_small")
    session = start()
    numbers = {session.case(number)["images"][0]["id"]: number for number in range(3)}
    session.decide(numbers[plain], [Choice(plain, "relabel", "coat")], "")
    session.decide(numbers[conflicting], [Choice(conflicting, "relabel", "shoe")], "")
    session.decide(numbers[moved], [Choice(moved, "keep")], "")
    assert project.lines() == sorted(
        [f"{plain},keep,,mk,", f"{conflicting},relabel,shoe,mk,", f"{moved},relabel,shoe,mk,"]
    )
    session.decide(numbers[moved], [Choice(moved, "relabel", "dress")], "")
    assert f"{moved},keep,,mk," in project.lines()


def test_begins_with_an_image_that_no_case_shows(project, start):
    kept = project.add("dress")
    small = project.add("coat", reason="too_small")
    session = start()
    assert [session.overview(name)["first"] for name in (small, kept, kept)] == [0, 1, 1]
    assert session.overview()["first"] == 0
    case = session.case(1)
    assert (case["kind"], case["why"], [image["id"] for image in case["images"]]) == (
        "named",
        "keep",
        [kept],
    )
