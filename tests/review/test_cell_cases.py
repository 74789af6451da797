"""Cases of a project with several labels an image: each asks about one label."""

import pytest

from pixmill.core.decisions import Row, render_rows
from pixmill.core.errors import PixmillError
from pixmill.project.findings import count_label_issues
from pixmill.review.case_view import case_content
from tests.review.conftest import LABELS_PARAMS, Desk, Project


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path, LABELS_PARAMS)


def asked(desk):
    """Return kind, image, label and suggestion of each case."""
    ids = desk.images.ids
    return {
        (case.kind, ids[case.members[0]], case.label, case.suggestion)
        for case in desk.session.cases
    }


def test_doubts_disputes_and_disagreements_are_asked_by_label(project):
    doubtful = project.add('{"dark":true,"long":false}')
    changed = project.add('{"dark":false}')
    torn = project.add("{}", came_as=['{"long":true}', '{"dark":true,"long":false}'])
    disputed = project.add('{"dark":true}')
    project.doubt([(doubtful, "dark", "no"), (doubtful, "long", "yes"), (changed, "dark", "no")])
    rows = [Row(disputed, "long", answer, by=by) for answer, by in (("yes", "a"), ("no", "b"))]
    rows += both_fates(disputed)
    project.write()
    project.decisions.write_text(render_rows(rows))
    assert asked(Desk(project.root)) == {
        ("labels", doubtful, "dark", "no"),
        ("labels", doubtful, "long", "yes"),
        ("conflicts", torn, "long", None),
        ("disputed", disputed, "long", None),
        ("disputed", disputed, "", None),
    }


def test_answers_settle_what_two_sides_contradict(project):
    name = project.add('{"dark":true}')
    rows = [Row(name, "long", "yes"), Row(name, "long", "no"), *both_fates(name)]
    project.write()
    project.decisions.write_text(render_rows(rows))
    desk = Desk(project.root)
    for case in desk.session.cases:
        desk.decide(*(("no", name) if case.label else ("keep", name)), label=case.label)
    assert project.said() == {(name, "no", "long", ""), (name, "keep", "", "")}
    assert all(case_content(desk.session, number)["settled"] for number in (0, 1))


def both_fates(name):
    return [Row(name, answer="keep", by="a"), Row(name, answer="drop", by="b")]


def test_answer_settles_the_question_about_one_label(project):
    name = project.add('{"dark":true,"long":false}')
    project.doubt([(name, "dark", "no"), (name, "long", "yes")])
    project.write()
    desk = Desk(project.root)
    desk.decide("no", name, label="dark", case=0)
    shown = case_content(desk.session, 0)
    assert (shown["settled"], shown["done"], shown["images"][0]["label"]) == (
        True,
        1,
        "dark; not long",
    )
    assert shown["images"][0]["decision"]["label"] == "not dark"
    assert count_label_issues(project.root) == 1
    assert project.said() == {(name, "no", "dark", "")}
    desk.undo()
    assert project.said() == set()


def test_case_that_nobody_is_sure_about_is_seen_until_undo(project):
    name = project.add('{"dark":true}')
    project.doubt([(name, "dark", "no"), (name, "long", "yes")])
    project.write()
    desk = Desk(project.root)
    desk.decide("unsure", name, label="dark", case=0)
    shown = case_content(desk.session, 0)
    assert (shown["settled"], shown["next"], desk.session.decided_images) == (True, 1, 0)
    assert project.said() == set()
    assert desk.undo()["case"] == 0
    assert not case_content(desk.session, 0)["settled"]


def test_relabelling_turns_yes_into_no_and_all_else_into_yes(project):
    name = project.add('{"dark":true}')
    project.write()
    desk = Desk(project.root)
    for label in ("dark", "long"):
        desk.decide("relabel", name, label=label)
    assert project.said() == {(name, "no", "dark", ""), (name, "yes", "long", "")}


def test_images_are_counted_for_each_label_they_have(project):
    for cells in ('{"dark":true,"long":false}', '{"dark":true,"long":true}', "{}"):
        project.add(cells)
    project.write()
    classes = Desk(project.root).state()["classes"]
    assert [each["count"] for each in classes] == [2, 1, 0]


def test_labels_of_before_the_task_changed_say_nothing(project):
    project.add("coat", came_as=["coat", "12"])
    project.write()
    desk = Desk(project.root)
    assert (asked(desk), desk.session.labels) == (set(), [None])


def test_only_kinds_of_cases_that_there_are_can_be_shown(project):
    project.add('{"dark":true}')
    project.write()
    doubts = Desk(project.root).state()["doubts"]
    assert {"labels", "near-duplicates"} < {*doubts}
    assert not {"flips", "errors", "uncertain", "outliers"} & {*doubts}
    with pytest.raises(PixmillError, match="flips"):
        Desk(project.root, only="flips")


def test_suggestions_about_another_label_are_not_shown(project):
    names = [project.add(None) for _ in range(3)]
    project.write()
    desk = Desk(project.root)
    advisor = desk.session.advisor
    advisor.wait(60)
    count = len(names)
    advisor.renew("dark", [None] * count, ["yes", "no"], None, set(), set())
    assert advisor.about("dark").number
    other = desk.session.advisor.about("long")
    assert (other.number, other.proposal.sections, other.sample) == (0, [], advisor.last.sample)
