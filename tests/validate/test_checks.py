"""Checks on the data and their messages."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pixmill.core.errors import GateError
from pixmill.core.expectations import Outcome, gate_error, warnings
from pixmill.core.params import ValidateParams
from pixmill.validate.checks import checks
from pixmill.validate.labelling import OneLabel
from pixmill.validate.validation import Validation
from tests.validate.conftest import Scrape, blocks, encoded, shapes

CLASSES = ("coat", "shoe")
FEW = {"min_per_class": {"count": 3}}
NAMES = {
    "not_empty", "unique_ids", "readable", "image_size", "aspect_ratio", "formats", "dark", "blurred", "blank",
    "labels_declared", "conflicts", "duplicates", "near_duplicates", "placeholders", "leaks", "min_per_class",
    "class_balance", "shortcuts",
}  # fmt: skip


def lines(seed: int) -> Image.Image:
    """Return a sharp drawing that is nearly all white."""
    values = np.full((80, 80, 3), 255, np.uint8)
    rows, columns = np.random.default_rng(seed).integers(2, 78, (2, 2))
    values[rows] = 0
    values[:, columns] = 0
    return Image.fromarray(values)


def valid(scrape: Scrape) -> None:
    scrape.fill_sharply("coat", 9, start=0)
    scrape.fill_sharply("shoe", 9, start=100)


def run(scrape: Scrape, *gate: str, **params: Any) -> Validation:
    return scrape.validate(classes=CLASSES, gate=gate or None, **FEW | params)


def failed(validation: Validation) -> list[Outcome]:
    return [outcome for outcome in validation.outcomes if not outcome.success]


def test_valid_data_passes_all_checks(scrape: Scrape) -> None:
    valid(scrape)
    found = run(scrape)
    assert [outcome.check.name for outcome in failed(found)] == []
    assert {outcome.check.name for outcome in found.outcomes} == NAMES
    assert gate_error(found.outcomes, report="page.html") is None


def cut(scrape: Scrape) -> None:
    valid(scrape)
    for seed in range(3):
        content = encoded(blocks(200 + seed, 200, 200), "JPEG")
        scrape.add("coat", content[: len(content) // 2])


def narrow(scrape: Scrape) -> None:
    valid(scrape)
    scrape.fill_sharply("shoe", 3, start=200, width=20)


def long(scrape: Scrape) -> None:
    valid(scrape)
    scrape.fill_sharply("coat", 1, start=200, width=200)
    scrape.fill_sharply("shoe", 1, start=201, height=200)


def jpegs(scrape: Scrape) -> None:
    valid(scrape)
    for seed in range(3):
        scrape.add("coat", encoded(blocks(200 + seed), "JPEG"))


def dark(scrape: Scrape) -> None:
    valid(scrape)
    scrape.fill_sharply("coat", 2, start=200, most=24)


def blurred(scrape: Scrape) -> None:
    valid(scrape)
    for seed in range(2):
        scrape.add("shoe", encoded(shapes(seed, side=200), "PNG"))


def blank(scrape: Scrape) -> None:
    valid(scrape)
    for seed in range(2):
        scrape.add("coat", encoded(lines(seed), "PNG"))


def strange(scrape: Scrape) -> None:
    valid(scrape)
    scrape.fill_sharply("hat", 1, start=200)
    scrape.fill_sharply("cap", 2, start=300)


def copies(scrape: Scrape) -> None:
    valid(scrape)
    for seed in range(5):
        scrape.add("coat", encoded(blocks(seed), "BMP"))


def conflict(scrape: Scrape) -> None:
    valid(scrape)
    for label in CLASSES:
        scrape.add(label, encoded(blocks(200), "PNG"))
        scrape.add(label, encoded(blocks(201), "PNG" if label == "coat" else "BMP"))


def alike(scrape: Scrape) -> None:
    valid(scrape)
    scrape.add("shoe", encoded(blocks(0), "JPEG", quality=90))


def placeholder(scrape: Scrape) -> None:
    valid(scrape)
    for _ in range(12):
        scrape.add("coat", encoded(blocks(200), "PNG"))


def leak(scrape: Scrape) -> None:
    valid(scrape)
    for part in ("test", "train"):
        scrape.add("coat", encoded(blocks(200), "PNG"), given_split=part)
        scrape.add(
            "coat", encoded(blocks(201), "PNG" if part == "train" else "BMP"), given_split=part
        )


def few(scrape: Scrape) -> None:
    scrape.fill_sharply("coat", 9, start=0)
    scrape.fill_sharply("shoe", 2, start=100)


def hosts(scrape: Scrape) -> None:
    for label, count, start in (("coat", 22, 0), ("shoe", 20, 100)):
        for seed in range(start, start + count):
            host = "one" if label == "coat" and seed > 1 else "two"
            scrape.add(
                label, encoded(blocks(seed), "PNG"), image_url=f"https://{host}.example/{seed}.png"
            )


CASES: list[tuple[str, Callable[[Scrape], None], Mapping[str, Any], str]] = [
    (
        "readable", cut, {},
        "18 of 21 images decode completely (share 0.857); failing: 3 of 12 in class 'coat'; "
        "expected at least 0.9 (validate.readable.share)",
    ),
    (
        "image_size", narrow, {},
        "18 of 21 readable images are at least 32 pixels wide (share 0.857); failing: 3 of 12 in "
        "class 'shoe'; "
        "expected at least 0.9 (validate.image_size.min_width, validate.image_size.share)",
    ),
    (
        "aspect_ratio", long, {},
        "18 of 20 readable images have a longer side of at most 4 times the shorter (share 0.9); "
        "failing: "
        "1 of 10 in class 'coat', 1 of 10 in class 'shoe'; expected at least 0.95 "
        "(validate.aspect_ratio.max_ratio, validate.aspect_ratio.share)",
    ),
    (
        "formats", jpegs, {"allowed": ["png", "webp"]},
        "18 of 21 readable images are in an allowed format (png, webp) (share 0.857); failing: 3 "
        "of 12 in class "
        "'coat'; expected at least 0.9 (validate.formats.allowed, validate.formats.share)",
    ),
    (
        "dark", dark, {},
        "18 of 20 readable images have a brightness of at least 16 (share 0.9); failing: 2 of 11 "
        "in class 'coat'; "
        "expected at least 0.95 (validate.dark.min_brightness, validate.dark.share)",
    ),
    (
        "blurred", blurred, {},
        "18 of 20 readable images have a sharpness of at least 10, or near that of the set (share "
        "0.9); "
        "failing: 2 of 11 in class 'shoe'; "
        "expected at least 0.95 (validate.blurred.min_sharpness, validate.blurred.share)",
    ),
    (
        "blank", blank, {"min_entropy": 1.0},
        "18 of 20 readable images have an entropy of at least 1 (share 0.9); failing: 2 of 11 in "
        "class "
        "'coat'; expected at least 0.98 (validate.blank.min_entropy, validate.blank.share)",
    ),
    (
        "labels_declared", strange, {},
        "2 images with the undeclared label 'cap'; expected only coat, shoe (classes)",
    ),
    (
        "duplicates", copies, {},
        "18 of 23 readable images are neither duplicates nor near-duplicates of another (share "
        "0.783); "
        "failing: 5 of 14 in class 'coat'; expected at least 0.8 (validate.duplicates.share)",
    ),
    (
        "conflicts", conflict, {},
        ("2 images found under several labels: coat, shoe; expected none "
        "(validate.conflicts.severity)"),
    ),
    (
        "near_duplicates", alike, {},
        "1 near-duplicate pair is labelled 'coat' and 'shoe'; expected none across labels "
        "(validate.near_duplicates.severity)",
    ),
    (
        "placeholders", placeholder, {},
        "was found at 12 URLs, labelled coat; expected none (validate.placeholders.repeats)",
    ),
    (
        "leaks", leak, {},
        "2 images of class 'coat' are in both train and test, for example data/coat/00",
    ),
    ("min_per_class", few, {"count": 3}, "class 'shoe' has 2 images; expected at least 3"),
    (
        "shortcuts", hosts, {},
        "classes differ in host (skill 0.909): 20 of 22 images of 'coat' come from the host "
        "'one.example', 0 of 20 of "
        "'shoe'; collect every class from the same sites; expected a skill of at most 0.5 "
        "(validate.shortcuts.skill)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "make", "params", "message"),
    CASES,
    ids=[f"{case[0]}-{case[1].__name__}" for case in CASES],
)
def test_each_check_fails_and_stops_the_pipeline(
    scrape: Scrape,
    name: str,
    make: Callable[[Scrape], None],
    params: Mapping[str, Any],
    message: str,
) -> None:
    make(scrape)
    found = run(scrape, name, **{name: {"severity": "critical", **params}})
    assert {outcome.check.name for outcome in failed(found)} == {name}
    error = gate_error(found.outcomes, report="reports/validate.html")
    assert isinstance(error, GateError)
    _, *lines_, last = str(error).splitlines()
    assert all(line.startswith(f"  {name}: ") for line in lines_)
    assert message in lines_[0]
    assert all(parameter in last for parameter in failed(found)[-1].check.parameters)


@pytest.mark.parametrize(
    ("shoes", "outcome"), [(8, {}), (7, {"warning"}), (3, {"warning", "critical"})]
)
def test_small_class_warns_and_tiny_class_stops_the_pipeline(
    scrape: Scrape, shoes: int, outcome: set[str]
) -> None:
    scrape.fill_sharply("coat", 40, start=0)
    scrape.fill_sharply("shoe", shoes, start=100)
    found = run(scrape, "class_balance")
    assert {(bad.check.name, bad.check.severity) for bad in failed(found)} == {
        ("class_balance", s) for s in outcome
    }
    assert (gate_error(found.outcomes, report="page.html") is not None) == ("critical" in outcome)
    if outcome:
        [line] = warnings(found.outcomes)["class_balance"]
        assert line.endswith(
            "collect more images of the small classes; or set train.class_weights: true"
        )


def rows(**columns: list[object]) -> pd.DataFrame:
    return pd.DataFrame(columns)


def describe(name: str, table: pd.DataFrame, **result: int) -> list[str]:
    """Return the messages of a check on a table."""
    check, *_ = [
        check for check in checks(ValidateParams(), CLASSES, OneLabel()) if check.name == name
    ]
    return check.describe(result, table)


def messages(table: pd.DataFrame) -> list[str]:
    """Return the messages of the check ``dark``, shortened."""
    missing = int(table["brightness"].isna().sum())
    bad = int((table["brightness"] < 16).sum())
    [line] = describe(
        "dark", table, element_count=len(table), missing_count=missing, unexpected_count=bad
    )
    return [line.replace("readable images have a brightness of at least 16", "are light")]


def test_message_names_failing_classes_worst_first() -> None:
    labels = ["coat"] * 4 + ["shoe"] * 3 + ["hat"] * 2
    table = rows(label=labels, brightness=[1.0, 2.0, 50.0, None, 3.0, 4.0, 5.0, 50.0, 50.0])
    assert messages(table) == [
        "3 of 8 are light (share 0.375); failing: 3 of 3 in class 'shoe', 2 of 3 in class 'coat'"
    ]
