"""The rules of a verdict, first to last, and who may override them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.params import ValidateParams
from pixmill.validate.decisions import Decision
from pixmill.validate.measures import Failure, Measures
from pixmill.validate.verdicts import Case, Verdicts, judge

PARAMS = ValidateParams.model_validate({"formats": {"allowed": ["png", "jpeg"]}})


def seen(pixels: str = "p", *, width: int = 64, height: int = 64, kind: str = "png") -> Measures:
    return Measures(width, height, kind, "RGB", pixels, 0, 0.0, 0.0, 0.0, b"")


def judged(*cases: Case, **decisions: Decision) -> Verdicts:
    return judge(cases, decisions, classes=("coat", "shoe"), params=PARAMS)


def keep() -> Decision:
    return Decision(2, "a", "keep")


def relabel(label: str) -> Decision:
    return Decision(2, "a", "relabel", label)


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (Case("a", "coat", seen()), None),
        (Case("a", "coat", Failure("truncated")), "truncated"),
        (Case("a", None, Failure("html")), "html"),
        (Case("a", "coat", seen(width=31)), "too_small"),
        (Case("a", "coat", seen(height=31)), "too_small"),
        (Case("a", "coat", seen(width=32, height=32)), None),
        (Case("a", "coat", seen(kind="gif")), "format_not_allowed"),
        (Case("a", "hat", seen()), "label_undeclared"),
        (Case("a", None, seen()), "label_conflict"),
    ],
)
def test_the_first_rule_that_applies_gives_the_reason(case: Case, reason: str | None) -> None:
    assert judged(case).reasons.get("a") == reason


def test_of_the_same_pixels_and_label_the_smallest_id_is_kept() -> None:
    verdicts = judged(*(Case(name, "coat", seen()) for name in "abc"))
    assert verdicts.reasons == {"b": "duplicate_pixels:a", "c": "duplicate_pixels:a"}


def test_pictures_of_other_shape_are_not_the_same_pixels() -> None:
    assert judged(Case("a", "coat", seen(width=40)), Case("b", "coat", seen(height=40))).reasons == {}


def test_the_same_pixels_under_two_labels_are_dropped_from_both() -> None:
    verdicts = judged(Case("a", "coat", seen()), Case("b", "coat", seen()), Case("c", "shoe", seen()))
    assert verdicts.reasons == {name: f"label_conflict:{other}" for name, other in zip("abc", "cca", strict=True)}


def test_the_same_pixels_as_a_file_of_two_labels_are_in_conflict_too() -> None:
    verdicts = judged(Case("a", None, seen()), Case("b", "coat", seen()))
    assert verdicts.reasons == {"a": "label_conflict:b", "b": "label_conflict:a"}


def test_files_of_two_labels_with_the_same_pixels_are_no_duplicates_of_each_other() -> None:
    assert set(judged(Case("a", None, seen()), Case("b", None, seen())).reasons.values()) == {"label_conflict"}


def test_what_is_dropped_for_itself_takes_no_other_with_it() -> None:
    verdicts = judged(Case("a", "hat", seen()), Case("b", "coat", seen()), Case("c", "coat", seen("q", width=9)))
    assert verdicts.reasons == {"a": "label_undeclared", "c": "too_small"}


def test_a_person_drops_any_picture() -> None:
    drop = Decision(2, "a", "drop")
    assert judged(Case("a", "coat", seen()), a=drop).reasons == {"a": "review"}
    assert judged(Case("a", "coat", Failure("empty")), a=drop).reasons == {"a": "review"}


def test_dropping_one_of_two_settles_their_conflict() -> None:
    verdicts = judged(Case("a", "coat", seen()), Case("b", "shoe", seen()), a=Decision(2, "a", "drop"))
    assert verdicts.reasons == {"a": "review"}


@pytest.mark.parametrize("found", [seen(width=9), seen(kind="gif"), seen()])
def test_a_person_keeps_what_the_rules_would_drop(found: Measures) -> None:
    assert judged(Case("a", "coat", found), a=keep()).reasons == {}


def test_a_person_settles_a_conflict() -> None:
    cases = [Case("a", "coat", seen()), Case("b", "shoe", seen()), Case("c", "shoe", seen())]
    assert judged(*cases, b=keep()).reasons == {"a": "label_conflict:b", "c": "duplicate_pixels:b"}
    assert judged(Case("a", None, seen()), a=relabel("shoe")) == Verdicts({}, {"a": "shoe"})


def test_a_person_may_keep_the_other_of_two_duplicates_or_both() -> None:
    cases = [Case("a", "coat", seen()), Case("b", "coat", seen())]
    assert judged(*cases, b=keep()).reasons == {"a": "duplicate_pixels:b"}
    assert judged(*cases, a=keep(), b=keep()).reasons == {}


def test_relabelling_changes_the_label_before_the_rules() -> None:
    verdicts = judged(Case("a", "hat", seen()), Case("b", "shoe", seen()), a=relabel("shoe"))
    assert verdicts.labels == {"a": "shoe", "b": "shoe"}
    assert verdicts.reasons == {"b": "duplicate_pixels:a"}


@pytest.mark.parametrize(
    ("case", "why"),
    [
        (Case("a", "coat", Failure("truncated")), "the file ends before the picture does"),
        (Case("a", "hat", seen()), "its label 'hat' is not among the classes"),
        (Case("a", None, seen()), "'relabel' says which one holds"),
    ],
)
def test_what_a_person_cannot_keep_is_told(case: Case, why: str) -> None:
    verdicts = judged(case, a=keep())
    assert "a" in verdicts.reasons
    [(decision, told)] = verdicts.powerless
    assert decision == keep()
    assert why in told


some_cases = st.lists(
    st.tuples(st.sampled_from(["coat", "shoe", "hat", None]), st.sampled_from("pqr"), st.sampled_from("kdrs...")),
    max_size=12,
)


@given(some_cases)
def test_kept_pictures_have_a_declared_label_and_by_themselves_never_the_same_pixels(rows) -> None:
    cases = [Case(f"{place:02}", label, seen(pixels)) for place, (label, pixels, _) in enumerate(rows)]
    verbs = {"k": keep(), "d": Decision(2, "a", "drop"), "r": relabel("coat"), "s": relabel("shoe")}
    decisions = {case.id: verbs[row[2]] for case, row in zip(cases, rows, strict=True) if row[2] in verbs}
    verdicts = judge(cases, decisions, classes=("coat", "shoe"), params=PARAMS)
    kept = [case for case in cases if case.id not in verdicts.reasons]
    assert all(verdicts.labels[case.id] in ("coat", "shoe") for case in kept)
    unasked = [case.found.pixels for case in kept if case.id not in decisions]
    assert len(unasked) == len(set(unasked))
    for reason in verdicts.reasons.values():
        if reason.startswith("duplicate_pixels:"):
            assert reason.partition(":")[2] in {case.id for case in kept}
