"""Cases of a project with several labels an image: each asks about one label."""

import pytest

from pixmill.core.decisions import Row, render_rows
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
    project.write()
    project.decisions.write_text(render_rows(rows))
    assert asked(Desk(project.root)) == {
        ("labels", doubtful, "dark", "no"),
        ("labels", doubtful, "long", "yes"),
        ("conflicts", torn, "long", None),
        ("disputed", disputed, "long", None),
    }


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
