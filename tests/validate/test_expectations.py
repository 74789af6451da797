"""Each expectation fails for its own reason and says so; all hold where the data is sound."""

import json
from typing import Any

import pandas as pd
import pytest

from pixmill.params import ValidateParams
from pixmill.validate.checks import Check, checks
from pixmill.validate.expectations import Outcome, run_checks

CLASSES = ("coat", "shoe")


def images(**columns: list[Any]) -> pd.DataFrame:
    """Return ten sound pictures, some columns replaced."""
    sound: dict[str, list[Any]] = {
        "id": [f"{place:064}" for place in range(10)],
        "label": ["coat"] * 5 + ["shoe"] * 5,
        "pixels": [f"{place:064}" for place in range(10)],
        "width": [64.0] * 10,
        "height": [48.0] * 10,
        "format": ["png"] * 10,
    }
    return pd.DataFrame({name: pd.Series(columns.get(name, values)) for name, values in sound.items()}).astype(
        dict.fromkeys(("id", "label", "pixels", "format"), object)
    )


def classes(*counts: int) -> pd.DataFrame:
    largest = max(counts)
    rows = [(label, n, n / largest if largest else 0.0) for label, n in zip(CLASSES, counts, strict=True)]
    return pd.DataFrame(rows, columns=["label", "n", "ratio_to_largest"]).astype({"label": object})


def outcomes(of_images: pd.DataFrame, of_classes: pd.DataFrame, **params: Any) -> list[Outcome]:
    return run_checks(
        checks(ValidateParams.model_validate(params), CLASSES), {"images": of_images, "classes": of_classes}
    )


def test_sound_data_passes_every_check() -> None:
    found = outcomes(images(), classes(50, 40))
    assert [outcome.check.name for outcome in found if not outcome.success] == []
    assert {outcome.check.name for outcome in found} == {
        "not_empty", "readable", "image_size", "formats", "labels_declared", "unique_ids", "min_per_class",
        "class_balance",
    }  # fmt: skip
    assert found[-2].found == ("class 'shoe' has 40 pictures",)


@pytest.mark.parametrize(
    ("name", "of_images", "of_classes", "told"),
    [
        ("not_empty", images().iloc[:0], classes(50, 40), "there are 0 pictures"),
        (
            "readable",
            images(pixels=[None, None, *"abcdefgh"]),
            classes(50, 40),
            "8 of 10 pictures can be decoded to the end (a share of 0.8)",
        ),
        (
            "image_size",
            images(width=[10.0, 31.0] + [32.0] * 8),
            classes(50, 40),
            "8 of 10 readable pictures are at least 32 pixels wide (a share of 0.8)",
        ),
        (
            "image_size",
            images(height=[10.0, None] + [32.0] * 8),
            classes(50, 40),
            "8 of 9 readable pictures are at least 32 pixels high (a share of 0.889)",
        ),
        (
            "formats",
            images(format=["gif"] * 5 + ["png"] * 4 + [None]),
            classes(50, 40),
            "4 of 9 readable pictures are png or jpeg (a share of 0.444)",
        ),
        (
            "labels_declared",
            images(label=["coat"] * 5 + ["hat"] * 2 + ["cap", "shoe", None]),
            classes(50, 40),
            "1 picture came with the label 'cap'",
        ),
        ("unique_ids", images(id=["a", "a", *"bcdefghi"]), classes(50, 40), "2 rows share their id with another"),
        ("min_per_class", images(), classes(50, 29), "class 'shoe' has 29 pictures"),
        (
            "class_balance",
            images(),
            classes(250, 49),
            "class 'shoe' has 49 pictures, a ratio of 0.196 to the largest class 'coat' (250)",
        ),
    ],
)
def test_each_check_fails_for_its_own_reason(
    name: str, of_images: pd.DataFrame, of_classes: pd.DataFrame, told: str
) -> None:
    found = outcomes(of_images, of_classes, formats={"allowed": ["png", "jpeg"]})
    [failed] = [outcome for outcome in found if not outcome.success]
    assert failed.check.name == name
    assert failed.found[0] == told


def test_every_label_and_every_class_that_fails_is_told() -> None:
    found = {
        (outcome.check.name, line)
        for outcome in outcomes(images(label=["hat"] * 5 + ["cap"] * 5), classes(0, 0))
        if not outcome.success
        for line in outcome.found
    }
    assert found >= {
        ("labels_declared", "5 pictures came with the label 'cap'"),
        ("labels_declared", "5 pictures came with the label 'hat'"),
        ("min_per_class", "class 'coat' has 0 pictures"),
        ("min_per_class", "class 'shoe' has 0 pictures"),
    }


def test_thresholds_and_severities_come_from_the_params() -> None:
    strict = {"min_per_class": {"count": 41, "severity": "info"}, "class_balance": {"ratio": 0.9}}
    failed = {o.check.name: o for o in outcomes(images(), classes(50, 40), **strict) if not o.success}
    assert set(failed) == {"min_per_class", "class_balance"}
    assert failed["min_per_class"].check.severity == "info"
    assert failed["min_per_class"].kwargs == {"column": "n", "min_value": 41}
    assert failed["class_balance"].check.wanted == "at least 0.9"


def test_records_hold_nothing_that_changes_from_run_to_run() -> None:
    first, second = ([outcome.record() for outcome in outcomes(images(), classes(50, 3))] for _ in range(2))
    assert first == second
    assert json.dumps(first, allow_nan=False)
    for record in first:
        assert set(record) == {"name", "table", "type", "kwargs", "severity", "success", "result"}
        assert "batch_id" not in record["kwargs"]


def test_a_check_that_cannot_be_computed_is_a_defect_and_no_failure() -> None:
    check = Check("odd", "images", "ExpectColumnValuesToBeUnique", {"column": "nowhere"}, "info", (), "", lambda *_: [])
    with pytest.raises(RuntimeError, match=r"'odd' could not be computed: .*nowhere"):
        run_checks([check], {"images": images()})
