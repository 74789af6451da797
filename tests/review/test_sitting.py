"""A review is made from a project, shown, and ended, whatever serves it."""

from pixmill.review.review_session import Choice
from pixmill.review.sitting import Ending, Sitting


def test_it_holds_cases_and_images_and_says_what_comes_next(project):
    name = project.add("coat", reason="too_small")
    sitting = Sitting(project.write(), project.params(), by="mk")
    assert [case.kind for case in sitting.cases] == ["dropped"]
    assert sitting.remarks == []
    with sitting:
        assert sitting.session.overview()["by"] == "mk"
        assert sitting.previews.get(name).startswith(b"\xff\xd8\xff")
        sitting.session.decide(0, [Choice(name, "keep")], "")
    assert sitting.previews.get(name) == "closed"
    assert sitting.end() == Ending("1 decision written to review.csv.", "dvc repro")
    project.rows[name] |= {"verdict": "keep", "reason": None}
    done = Sitting(project.write(), project.params())
    assert (done.cases, done.remarks[0]) == ([], "Nothing to review.")
