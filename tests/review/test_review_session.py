"""Decisions of a session are rows of ``decisions.csv``; nothing moves, and undo takes them back."""

import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from pixmill.core.params import load_params
from pixmill.dataset.deciding import ChangedError
from pixmill.review.case_view import case_content, find_row, overview
from pixmill.review.choices import Choice, DecisionError
from pixmill.review.grid.suggesting import DROPPED
from pixmill.review.grid.views import View
from pixmill.review.grid_view import grid_state
from pixmill.review.serving import end_session
from tests.review.conftest import Desk, Project, fill, jpeg
from tests.waiting import until

HEADER = "image,label,answer,split,by,why\n"


def files(root: Path) -> dict[str, bytes]:
    """Return the files of ``data/``, the decisions and the parameters."""
    paths = [*root.glob("data/**/*.*"), root / "params.yaml"]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture
def pair(project: Project) -> list[str]:
    """Ids of two near-duplicates with different labels, in display order."""
    names = project.add("coat"), project.add("dress")
    project.link(*names, 0.9912)
    project.write()
    return sorted(names)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A project with unlabelled images that no run has seen."""
    fill(tmp_path, *(f"unlabelled/{letter}.jpg" for letter in "abcd"), "unlabelled/deep/e.jpg")
    return Desk(tmp_path)


def test_a_case_has_all_facts_about_its_images(project: Project) -> None:
    urls = [f"http://a/{number}" for number in range(4)]
    came_as = ["coat", "shoe", "coat", "shoe"]
    name = project.add(None, came_as=came_as, reason="label_conflict", urls=urls)
    project.sightings[0] |= {"title": "<b>A coat", "query": "warm coat"}
    project.write()
    case = case_content(Desk(project.root).session, 0)
    assert (case["kind"], case["done"], case["settled"], case["next"]) == (
        "conflicts",
        0,
        False,
        0,
    )
    (image,) = case["images"]
    assert (image["id"], image["label"], image["came_as"]) == (name, None, ["coat", "shoe"])
    assert image["reason"] == "the same image was also found under another label"
    assert image["places"][0] == {
        "source": "folder",
        "label": "coat",
        "query": "warm coat",
        "title": "<b>A coat",
        "url": "http://a/0",
    }
    assert (len(image["places"]), image["more_places"], image["decision"]) == (3, 1, None)


def test_writes_and_counts_decisions(project: Project, pair: list[str]) -> None:
    small = project.add("coat", reason="too_small")
    project.write()
    desk = Desk(project.root)
    assert (overview(desk.session)["total"], overview(desk.session)["first"]) == (2, 0)
    desk.decide("drop", pair[0], why="blurred\nand dark", case=0)
    case = case_content(desk.session, 0)
    assert (case["settled"], case["done"], case["next"]) == (True, 1, 1)
    assert case["images"][0]["decision"] == {
        "verb": "drop",
        "label": "",
        "by": "mk",
        "why": "blurred and dark",
    }
    desk.decide("relabel", pair[1], label="shoe", case=0)
    desk.decide("keep", small, case=1)
    assert project.said() == {
        (pair[0], "drop", "", ""),
        (pair[1], "yes", "shoe", ""),
        (pair[1], "keep", "", ""),
        (small, "keep", "", ""),
    }
    case = case_content(desk.session, 1)
    assert (case["done"], case["next"], overview(desk.session)["first"]) == (2, None, None)
    assert [(kind["kind"], kind["done"]) for kind in case["kinds"]] == [
        ("near-duplicates", 1),
        ("dropped", 1),
    ]
    assert desk.undo()["case"] == 1
    assert end_session(desk.session) == ("2 images decided.", "dvc repro")


def test_a_label_of_the_pile_is_a_row_with_a_split(desk: Desk) -> None:
    (desk.root / "data/metadata.csv").write_text("file_name,split\nunlabelled/b.jpg,val\n")
    desk = Desk(desk.root)
    before = files(desk.root)
    desk.label("coat", "a.jpg", "b.jpg")
    desk.label("shoe", "a.jpg")
    first, second = (desk.images.ids[row] for row in desk.rows("a.jpg", "b.jpg"))
    assert Project(desk.root).said() == {
        (first, "yes", "shoe", "train"),
        (second, "yes", "coat", ""),
    }
    assert files(desk.root).keys() == before.keys()
    assert load_params(desk.root).evaluate.unlabelled == "data/unlabelled"
    assert Desk(desk.root).labels("a.jpg", "b.jpg", "c.jpg") == ["shoe", "coat", None]


def test_labels_of_the_random_sample_measure(tmp_path: Path) -> None:
    fill(tmp_path, *(f"unlabelled/{number}.jpg" for number in range(30)))
    desk = Desk(tmp_path)
    until(lambda: len(desk.session.advisor.last.sample) == 10)
    sample = [Path(desk.images.names[row]).name for row in desk.session.advisor.last.sample]
    others = {f"{number}.jpg" for number in range(30)} - {*sample}
    desk.label("coat", *sample)
    desk.label("dress", *others)
    desk.label("shoe", sample[0])  # its split stays
    splits = [split for _, _, label, split in Project(tmp_path).said() if label != "dress"]
    assert (splits.count("test"), splits.count("val")) == (7, 3)
    assert {split for _, _, label, split in Project(tmp_path).said() if label == "dress"} == {
        "train"
    }


def test_images_that_a_model_answered_measure_only_as_a_random_sample(tmp_path: Path) -> None:
    random = [f"sample-2026-11-30-{number}.jpg" for number in range(5)]
    chosen = [f"feedback-2026-11-30-{number}.jpg" for number in range(30)]
    fill(tmp_path, *(f"unlabelled/{name}" for name in [*random, *chosen]))
    desk = Desk(tmp_path)
    until(lambda: len(desk.session.advisor.last.sample) == 5)
    assert sorted(desk.session.advisor.last.sample) == sorted(desk.rows(*random))
    desk.label("coat", *random)
    desk.label("dress", *chosen)
    said = {(label, split) for _, _, label, split in Project(tmp_path).said()}
    assert said == {("coat", ""), ("dress", "train")}


def test_images_that_people_are_asked_about_are_shown_until_they_answer(tmp_path: Path) -> None:
    # Answers count in the order of the ends.
    names = [f"feedback-models-2026-11-30-{end}.jpg" for end in ("c0", "b1", "a2")]
    doubtful = "feedback-doubt-2026-11-30-a.jpg"
    fill(tmp_path, *(f"unlabelled/{name}" for name in [*names, doubtful, "a.jpg"]))
    desk = Desk(tmp_path)
    until(lambda: desk.session.advisor.last.number > 0)
    desk.session.advisor.last.proposal.guess[:] = 0

    def shown(reason: str, sort: str = "files") -> dict[str, Any]:
        return grid_state(desk.session, View(f"asked:{reason}", sort), "one")

    assert (shown("doubtful")["rows"], shown("doubtful")["guess"]) == (desk.rows(doubtful), [0])
    state = shown("disagreement")
    assert state["asked"] == ["disagreement", "doubtful"]
    assert (state["rows"], state["guess"]) == (desk.rows(*names)[::-1], [-1] * 3)
    # Where order counts, there is no other.
    assert shown("disagreement", "sure")["rows"] == state["rows"]
    assert [section["kind"] for section in state["sections"]] == ["asked"]
    assert [section["kind"] for section in shown("doubtful")["sections"]] == ["files"]
    desk.label("coat", names[0])
    assert shown("disagreement")["rows"] == desk.rows(*names[1:])[::-1]


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["label", "relabel", "keep", "drop", "clear"]),
        st.sampled_from(["coat", "shoe", "hat"]),
        st.sets(st.integers(0, 5), min_size=1),
    ),
    max_size=6,
)


@settings(max_examples=25, deadline=None)
@given(acts=ACTS)
def test_undo_takes_back_what_was_done(acts: list[tuple[str, str, set[int]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder))
        names = [project.add(label) for label in ("coat", "dress", "shoe")]
        project.write()
        fill(project.root, *(f"unlabelled/{letter}.jpg" for letter in "abc"))
        project.decisions.write_text(f"{HEADER}{names[0]},dress,yes,,jo,\n{names[1]},,drop,,jo,\n")
        desk = Desk(project.root)
        before = (project.said(), files(project.root), [*desk.session.labels])
        for verb, label, rows in acts:
            given = label if verb in ("label", "relabel") else ""
            keeps = verb == "keep" and rows - {0, 1, 2}
            if not keeps:  # images without a label
                choice = Choice(sorted(rows), verb, given)  # type: ignore[arg-type]
                version = desk.session.version
                desk.session.decide([choice], window="one", version=version)
        after = [*desk.session.labels]
        again = Desk(project.root)
        assert again.session.labels == after
        while desk.session.after("one")["undoable"]:
            desk.undo()
        assert (project.said(), files(project.root), desk.session.labels) == before


def test_others_are_not_overwritten(desk: Desk) -> None:
    other = Desk(desk.root, by="bob")  # another process
    seen = other.session.version
    desk.label("coat", "a.jpg", "b.jpg")
    with pytest.raises(ChangedError, match="1 of these images"):
        other.label("shoe", "a.jpg", "c.jpg", version=seen)
    assert other.labels("a.jpg", "c.jpg") == ["coat", None]
    other.label("shoe", "a.jpg", "c.jpg")
    with pytest.raises(ChangedError):
        desk.undo()
    assert desk.labels("a.jpg", "b.jpg", "c.jpg") == ["shoe", "coat", "shoe"]
    desk.label("dress", "d.jpg", window="two")
    assert desk.undo("three")["rows"] == []
    assert desk.undo("two")["rows"] == tuple(desk.rows("d.jpg"))


def test_shows_new_files_and_hides_deleted_ones(desk: Desk) -> None:
    fill(desk.root, "unlabelled/f.jpg")
    (desk.root / "data/unlabelled/a.jpg").unlink()
    desk.images.scan()
    desk.images.identify(range(len(desk.images)))  # the new file has the bytes of the deleted one
    assert desk.state()["dropped"] == 0
    assert desk.labels("f.jpg", "a.jpg") == [DROPPED, None]
    with pytest.raises(ChangedError, match="1 image moved or deleted"):
        desk.label("coat", "a.jpg")


def test_action_that_fails_halfway_leaves_nothing(desk: Desk) -> None:
    before = files(desk.root)
    # The new class is declared before the second choice, which has no label to keep, is refused.
    choices = [Choice([0], "label", "hat"), Choice([1], "keep")]
    with pytest.raises(DecisionError):
        desk.session.decide(choices, window="one", version=desk.session.version)
    assert files(desk.root) == before
    assert desk.session.undo("one")["rows"] == []


def test_undo_withdraws_a_new_class_without_images(desk: Desk) -> None:
    before = (desk.root / "params.yaml").read_text()
    desk.label("cat / dog", "a.jpg")
    desk.label("cat / dog", "b.jpg")
    params = load_params(desk.root)
    assert params.classes == ("coat", "dress", "shoe", "cat / dog")
    assert params.scrape.sources_of("cat / dog") == ()  # its images are here already
    desk.undo()
    assert "cat / dog" in load_params(desk.root).classes
    desk.undo()
    assert (desk.root / "params.yaml").read_text() == before
    desk.label("hat", "a.jpg")
    edited = (desk.root / "params.yaml").read_text() + "# mine\n"
    (desk.root / "params.yaml").write_text(edited)
    desk.undo()
    assert (desk.root / "params.yaml").read_text() == edited


def test_keep_and_relabel_depend_on_the_label_that_came(project: Project) -> None:
    plain = project.add("coat", reason="too_small")
    several = project.add("shoe", came_as=["coat", "shoe"], reason="too_small")
    moved = project.add("shoe", came_as=["dress"], reason="too_small")
    project.write()
    desk = Desk(project.root)
    desk.decide("relabel", plain, label="coat")
    desk.decide("keep", several, moved)
    both = {
        said
        for name in (several, moved)
        for said in ((name, "keep", "", ""), (name, "yes", "shoe", ""))
    }
    assert project.said() == both | {(plain, "keep", "", "")}
    desk.decide("relabel", moved, label="dress")
    assert {said for said in project.said() if said[0] == moved} == {(moved, "keep", "", "")}


def test_refuses_impossible_choices(project: Project) -> None:
    conflicting = project.add(None, came_as=["coat", "shoe"], reason="label_conflict")
    lost = project.add("hat", reason="label_undeclared")
    project.write()
    desk = Desk(project.root)
    for name in (conflicting, lost):
        with pytest.raises(DecisionError, match="is not one of the classes"):
            desk.decide("keep", name)
    with pytest.raises(DecisionError, match="no such image"):
        desk.session.decide([Choice([99], "drop")], window="one", version=0)
    assert not project.decisions.exists()


def test_a_dispute_is_a_case_that_says_who_said_what(project: Project) -> None:
    name = project.add("coat", content=jpeg(7))
    project.write()
    project.decisions.write_text(f"{HEADER}{name},coat,yes,,ann,\n{name},shoe,yes,,bob,\n")
    desk = Desk(project.root)
    case = case_content(desk.session, 0)
    assert (case["kind"], case["settled"]) == ("disputed", False)
    assert "coat (ann) and shoe (bob)" in case["why"]
    assert case["images"][0]["decision"]["verb"] == "disputed"
    assert desk.labels(name) == [None]
    desk.decide("relabel", name, label="shoe", case=0)
    assert case_content(desk.session, 0)["settled"]
    assert desk.labels(name) == ["shoe"]


def test_begins_with_an_image_that_no_case_shows(project: Project) -> None:
    kept = project.add("dress")
    small = project.add("coat", reason="too_small")
    project.write()
    session = Desk(project.root).session
    rows = [find_row(session, name) for name in (small[:8], kept)]
    assert [overview(session, row)["first"] for row in (*rows, rows[1])] == [0, 1, 1]
    case = case_content(session, 1)
    assert (case["kind"], case["why"], case["images"][0]["id"]) == ("named", "keep", kept)
