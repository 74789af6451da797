"""Rules that keep or drop images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixmill.core.decisions import Answer, Decided, Row
from pixmill.core.params import ValidateParams
from pixmill.validate.sightings import PARTS, collect_seen
from pixmill.validate.verdicts import apply_decisions, judge

PARAMS = ValidateParams.model_validate(
    {"formats": {"allowed": ["png", "jpeg"]}, "placeholders": {"repeats": 5}}
)


def case(label: str | None, pixels: str = "p", **columns: Any) -> dict[str, Any]:
    """Return a valid image with some columns replaced; label ``None``: several, empty: none."""
    valid = {
        "width": 64,
        "height": 64,
        "format": "png",
        "failure": None,
        "given": "",
        "places": 1,
        "url": "",
    }
    return valid | {"label": label, "pixels": pixels} | columns


def failed(word: str, label: str | None = "coat") -> dict[str, Any]:
    return case(label, failure=word, pixels=None, width=None, height=None)


@dataclass
class Judged:
    reasons: Mapping[str, str]
    labels: Mapping[str, str | None]
    powerless: Sequence[tuple[Row, str]]


def judged(*cases: Mapping[str, Any], **decisions: Decided) -> Judged:
    """Return the verdicts on images named a, b, c, …."""
    table = pd.DataFrame(list(cases), columns=[*case(None)])
    table["id"] = [chr(ord("a") + place) for place in range(len(table))]
    for name in ("id", "label", "format", "pixels", "failure"):
        table[name] = table[name].astype(object).where(table[name].notna(), None).astype("string")
    table = table.astype({"width": "Int32", "height": "Int32"})
    table["part"] = np.array([PARTS.index(given) for given in table["given"]], np.int8)
    sightings = [
        {
            "id": row.id,
            "label": label,
            "image_url": row.url or f"https://example.org/{row.id}/{place}",
            "given_split": row.given or None,
        }
        for row in table.itertuples()
        for label in (["coat", "shoe"] if pd.isna(row.label) else [row.label or None])
        for place in range(row.places)
    ]
    frame = pd.DataFrame(
        sightings, columns=["id", "label", "page_url", "image_url", "given_split"]
    ).astype("string")
    table["label"] = table["label"].where(table["label"] != "", pd.NA)
    seen = collect_seen(table["id"], frame)
    rulings = apply_decisions(table, decisions, seen)
    table["part"] = np.maximum(table["part"], rulings.parts)
    found = judge(
        table,
        rulings,
        decisions,
        seen,
        classes=("coat", "shoe", "sock"),
        params=PARAMS,
    )
    reasons = {
        name: text
        for name, text in zip(table["id"], found.reasons, strict=True)
        if text is not None
    }
    return Judged(reasons, dict(zip(table["id"], found.labels, strict=True)), found.powerless)


def decided(*answers: Answer | tuple[str, Answer], split: str = "") -> Decided:
    """Return decisions: ``keep``, ``drop``, or a label with ``yes`` or ``no``."""
    rows = [
        Row("a", answer=answer) if isinstance(answer, str) else Row("a", *answer, split)
        for answer in answers
    ]
    return Decided(tuple(rows))


def keep() -> Decided:
    return decided("keep")


def relabel(label: str) -> Decided:
    return decided((label, "yes"), "keep")


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (case("coat"), None),
        (failed("truncated"), "truncated"),
        (failed("timeout", None), "timeout"),
        (case("coat", width=31), "too_small"),
        (case("coat", height=31), "too_small"),
        (case("coat", width=32, height=32), None),
        (case("coat", format="gif"), "format_not_allowed"),
        (case("hat"), "label_undeclared"),
        (case(None), "label_conflict"),
        (case("hat", width=31, format="gif"), "too_small"),
    ],
)
def test_first_matching_rule_gives_the_reason(image: Mapping[str, Any], reason: str | None) -> None:
    assert judged(image).reasons.get("a") == reason


def test_keeps_smallest_id_of_equal_pixels() -> None:
    verdicts = judged(*[case("coat")] * 3)
    assert verdicts.reasons == {"b": "duplicate_pixels:a", "c": "duplicate_pixels:a"}


def test_drops_equal_pixels_with_two_labels() -> None:
    verdicts = judged(case("coat"), case("coat"), case("shoe"))
    assert verdicts.reasons == {
        name: f"label_conflict:{other}" for name, other in zip("abc", "cca", strict=True)
    }


@pytest.mark.parametrize(
    ("given", "reasons"),
    [
        (("train", "test"), {"a": "leak:b"}),
        (("train", "val"), {"a": "leak:b"}),
        (("val", "test"), {"a": "leak:b"}),
        (("test", "train"), {"b": "leak:a"}),
        (("test", "test"), {"b": "duplicate_pixels:a"}),
        (("train", "train"), {"b": "duplicate_pixels:a"}),
        (("", "train"), {"a": "duplicate_pixels:b"}),
        (
            ("train", "val", "test", "test"),
            {"a": "leak:c", "b": "leak:c", "d": "duplicate_pixels:c"},
        ),
    ],
)
def test_leak_is_dropped_from_the_lower_split(
    given: Sequence[str], reasons: Mapping[str, str]
) -> None:
    assert judged(*(case("coat", given=part) for part in given)).reasons == reasons


def test_many_urls_and_two_labels_are_a_placeholder() -> None:
    assert judged(case("coat", places=4), case("shoe", places=1)).reasons == {
        "a": "placeholder",
        "b": "placeholder",
    }
    assert judged(case(None, places=5)).reasons == {"a": "placeholder"}
    assert set(judged(case("coat", places=3), case("shoe", places=1)).reasons.values()) == {
        "label_conflict:a",
        "label_conflict:b",
    }


def test_shared_url_counts_once() -> None:
    shared = "https://example.org/shared"
    assert set(
        judged(
            case("coat", places=4), case("shoe", url=shared), case("shoe", url=shared)
        ).reasons.values()
    ) == {"placeholder"}
    assert (
        "placeholder"
        not in judged(*[case("coat", url=shared), case("shoe", url=shared)] * 3).reasons.values()
    )


def test_many_urls_with_one_label_are_kept_once() -> None:
    assert judged(case("coat", places=9), case("coat", places=9)).reasons == {
        "b": "duplicate_pixels:a"
    }


def test_decision_drops_any_image() -> None:
    drop = decided("drop")
    assert judged(case("coat"), a=drop).reasons == {"a": "review"}
    assert judged(failed("empty"), a=drop).reasons == {"a": "review"}
    assert judged(case("coat"), a=drop).powerless == []


@pytest.mark.parametrize(
    "image", [case("coat", width=9), case("coat", format="gif"), case("coat", places=9)]
)
def test_decision_overrides_rules(image: Mapping[str, Any]) -> None:
    assert judged(image, a=keep()).reasons == {}


def test_decision_resolves_label_conflict() -> None:
    cases = [case("coat"), case("shoe"), case("shoe")]
    assert judged(*cases, b=keep()).reasons == {"a": "label_conflict:b", "c": "duplicate_pixels:b"}
    settled = judged(case(None), a=relabel("shoe"))
    assert (settled.reasons, settled.labels) == ({}, {"a": "shoe"})


def test_decision_keeps_the_training_copy() -> None:
    cases = [case("coat", given="train"), case("coat", given="test")]
    assert judged(*cases, a=keep()).reasons == {"b": "duplicate_pixels:a"}
    assert judged(*cases, b=keep()).reasons == {"a": "leak:b"}


def test_decision_keeps_other_or_both_duplicates() -> None:
    cases = [case("coat"), case("coat")]
    assert judged(*cases, b=keep()).reasons == {"a": "duplicate_pixels:b"}
    assert judged(*cases, a=keep(), b=keep()).reasons == {}


def test_relabel_applies_before_the_rules() -> None:
    verdicts = judged(case("hat"), case("shoe"), a=relabel("shoe"))
    assert verdicts.labels == {"a": "shoe", "b": "shoe"}
    assert verdicts.reasons == {"b": "duplicate_pixels:a"}


def test_decisions_cannot_keep_equal_pixels_with_two_labels() -> None:
    verdicts = judged(case("coat"), case("coat"), a=keep(), b=relabel("shoe"))
    assert verdicts.reasons == {"a": "label_conflict:b", "b": "label_conflict:a"}
    assert len(verdicts.powerless) == 2
    assert all("keep only one of the two" in why for _, why in verdicts.powerless)


@pytest.mark.parametrize(
    ("image", "why"),
    [
        (failed("truncated"), "the file is truncated"),
        (case("hat"), "its label 'hat' is not one of the classes"),
        (case(None), "conflicting labels"),
    ],
)
def test_explains_decisions_that_cannot_be_applied(image: Mapping[str, Any], why: str) -> None:
    verdicts = judged(image, a=keep())
    assert "a" in verdicts.reasons
    [(row, explanation)] = verdicts.powerless
    assert (row,) == keep().rows
    assert why in explanation


some_cases = st.lists(
    st.tuples(
        st.sampled_from(["coat", "shoe", "hat", None]),
        st.sampled_from("pqr"),
        st.sampled_from("kdrs..."),
        st.sampled_from(PARTS),
        st.sampled_from([1, 1, 6]),
    ),
    max_size=12,
)


@settings(max_examples=15)
@given(some_cases)
def test_kept_images_have_one_label_and_no_twin(rows: Sequence[tuple[Any, ...]]) -> None:
    cases = [
        case(label, pixels, given=part, places=places) for label, pixels, _, part, places in rows
    ]
    verbs = {"k": keep(), "d": decided("drop"), "r": relabel("coat"), "s": relabel("shoe")}
    names = [chr(ord("a") + place) for place in range(len(rows))]
    decisions = {
        name: verbs[row[2]] for name, row in zip(names, rows, strict=True) if row[2] in verbs
    }
    verdicts = judged(*cases, **decisions)
    kept = {
        name: row for name, row in zip(names, rows, strict=True) if name not in verdicts.reasons
    }
    for pixels in "pqr":
        same = [name for name, row in kept.items() if row[1] == pixels]
        assert {verdicts.labels[name] for name in same} <= {"coat", "shoe"}
        assert len({verdicts.labels[name] for name in same}) <= 1
        assert len(same) <= 1 or set(same) <= set(decisions)
    for name, reason in verdicts.reasons.items():
        word, _, other = reason.partition(":")
        if word in ("duplicate_pixels", "leak"):
            assert other in kept
            assert verdicts.labels[other] == verdicts.labels[name]
        if word == "leak":
            parts = dict(zip(names, (row[3] for row in rows), strict=True))
            assert PARTS.index(parts[name]) < PARTS.index(parts[other])
    overruled = [name for name, of in decisions.items() if of.fate == "keep" and name not in kept]
    assert len(overruled) == len(verdicts.powerless)


@pytest.mark.parametrize(
    ("image", "decision", "reason"),
    [
        (case(""), None, "unlabelled"),
        (case("coat"), decided(("coat", "no")), "unlabelled"),
        (case("coat"), decided(("shoe", "no")), None),
        (case("coat"), decided(("shoe", "yes"), ("sock", "yes")), "disputed"),
        (case("coat"), decided(("shoe", "yes"), ("shoe", "no")), "disputed"),
        (case("coat"), decided("keep", "drop"), "disputed"),
        (case("coat"), decided(("shoe", "yes"), ("sock", "yes"), "drop"), "review"),
        (case("coat"), decided(("shoe", "yes"), "keep"), None),
        (case(""), decided(("shoe", "yes")), None),
        (case(None), decided(("shoe", "yes")), None),
        # A label overrides no rule.
        (case("", width=9), decided(("shoe", "yes")), "too_small"),
        (case("", width=9), decided(("shoe", "yes"), "keep"), None),
        (failed("truncated", ""), None, "unlabelled"),
        (case(""), decided("drop"), "review"),
    ],
)
def test_labels_that_people_give_and_take(
    image: Mapping[str, Any], decision: Decided | None, reason: str | None
) -> None:
    verdicts = judged(image, **({"a": decision} if decision else {}))
    assert verdicts.reasons.get("a") == reason
    if reason is None and decision and decision.label:
        assert verdicts.labels["a"] == decision.label


def test_a_copy_of_a_labelled_image_takes_its_place_only_with_a_label() -> None:
    cases = [case("", places=9), case("coat")]
    assert judged(*cases).reasons == {"a": "unlabelled"}
    assert judged(*cases, a=decided(("coat", "yes"))).reasons == {"b": "duplicate_pixels:a"}
    assert judged(*cases, a=decided(("shoe", "yes"))).reasons == {
        "a": "placeholder",
        "b": "placeholder",
    }
