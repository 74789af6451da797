"""The text for a terminal: verdict first, what differs, nothing else."""

import itertools

import pandas as pd

from pixmill.compare.comparison import Gate
from pixmill.compare.text import comparison_text
from pixmill.metrics.significance import Difference, McNemar
from pixmill.record.run_lookup import MlflowRun
from tests.compare.compared import comparison, data, difference, made_slice, numbers, revision

HOSTILE = "co\x1b[2Jat\nmore " + "x" * 300


def titles(text: str) -> list[str]:
    """Return the headings: lines that stand alone at the left, after an empty one."""
    lines = text.splitlines()
    return [line for before, line in itertools.pairwise(lines) if not before and line[:1] != " "]


def test_the_verdict_is_first_and_each_subject_follows() -> None:
    text = comparison_text(comparison(base=revision("main", run=None)))
    assert text.splitlines()[:2] == [
        "Macro-F1 falls from 0.900 to 0.800.",
        "Base: main (1a2b3c4 Train longer). Head: cnn (1a2b3c4 Train longer).",
    ]
    assert titles(text) == [
        "Gate: fail (0 of 2 limits kept)",
        "Missing",
        "Metrics on 100 common test images",
        "Classes that changed",
        "From the base's own result to the head's",
        "Predictions that flipped",
        "Data: 1,250 kept images, 1,247 in the base",
        "Params, code and packages",
        "MLflow",
    ]


def test_the_command_that_opens_the_pages_of_runs_is_named_where_no_server_does() -> None:
    assert "To open them" not in comparison_text(comparison())
    served = MlflowRun(
        "1", "owl", "http://127.0.0.1:5000/#/runs/1", None, None, {}, command="mlflow ui --backend-store-uri x"
    )
    text = comparison_text(comparison(base=revision("main", run=None), head=revision("cnn", run=served)))
    assert text.endswith("  Head: owl, http://127.0.0.1:5000/#/runs/1\n  To open them: mlflow ui --backend-store-uri x")


def test_the_deciding_metric_is_first_and_significant_differences_are_marked() -> None:
    metrics = {"accuracy": difference(0.9, 0.91), "macro_f1": difference(0.9, 0.8), "log_loss": difference(0.5, 0.4)}
    text = comparison_text(comparison(numbers=numbers(metrics=metrics))).replace("\N{MINUS SIGN}", "-")
    assert (
        "  metric     base   head  difference           95 % CI\n"
        "  macro-F1  0.900  0.800      -0.100  -0.130 to -0.070  worse\n"
        "  accuracy  0.900  0.910      +0.010  -0.020 to +0.040\n"
        "  log loss  0.500  0.400      -0.100  -0.130 to -0.070  better\n"
    ) in text


def test_only_classes_that_changed_are_listed() -> None:
    made = numbers()
    rows = dict(made.per_class)
    rows["dress"] = made.per_class["dress"].__class__(
        20, (0.9, 0.9), (0.9, 0.9), Difference(0.8, 0.9, 0.1, -0.1, 0.3, 1), 1
    )
    rows["shoe"] = made.per_class["shoe"].__class__(
        20, (0.9, 0.9), (0.9, 0.9), Difference(0.8, 0.9, 0.1, 0.01, 0.3, 0.04), 0.2
    )
    text = comparison_text(comparison(numbers=numbers(per_class=rows))).replace("\N{MINUS SIGN}", "-")
    listed = text.partition("Classes that changed")[2].partition("\n\n")[0]
    assert "dress" not in listed
    assert "  shoe         20    0.800    0.900      +0.100  +0.010 to +0.300     0.200\n" in f"{listed}\n"


def test_only_slices_that_changed_by_more_than_chance_are_listed_those_that_fell_first() -> None:
    slices = (
        made_slice("class", "coat", 0.9, 0.7, 0.2),
        made_slice("source", "shop", 0.7, 0.9, 0.01),
        made_slice("source", "bing", 0.9, 0.8, 0.03),
        made_slice("source", "tiny", 0.9, 0.1, None),
    )
    text = comparison_text(comparison(numbers=numbers(slices=slices))).replace("\N{MINUS SIGN}", "-")
    assert (
        "\n\nSlices\n"
        "  slice (accuracy)  images   base   head  difference           95 % CI  p (Holm)\n"
        "  source bing           40  0.900  0.800      -0.100  -0.130 to -0.070     0.030  worse\n"
        "  source shop           40  0.700  0.900      +0.200  +0.170 to +0.230     0.010  better\n"
        "  Of 3 slices (10 images or more, near-duplicates counted once), 2 changed significantly.\n\n"
    ) in text
    few = comparison_text(comparison(numbers=numbers(slices=slices[:1])))
    assert (
        "\nSlices\n  Of 1 slice (10 images or more, near-duplicates counted once), none changed significantly.\n" in few
    )
    for more in ({"slices": slices[3:]}, {"slices": slices, "flips": numbers().flips.iloc[:0]}):
        assert "Slices" not in comparison_text(comparison(numbers=numbers(**more)))


def test_two_equal_sides_need_three_lines() -> None:
    both = revision("main", run=None)
    nothing = numbers(
        metrics={"macro_f1": Difference(0.9, 0.9, 0, 0, 0, 1)},
        per_class={},
        mcnemar=McNemar(0, 0, 1, 1),
        steps=(),
        flips=numbers().flips.iloc[:0],
    )
    unchanged = data(1)
    unchanged = type(unchanged)(1250, 1250, (), unchanged.images.iloc[:0], (), unchanged.near_test.iloc[:0])
    equal = {"base": both, "head": both, "numbers": nothing, "data": unchanged, "changes": None, "missing": ()}
    text = comparison_text(comparison("same", **equal, gate=Gate("pass", ())))
    assert len([line for line in text.splitlines() if line]) <= 4
    assert "Gate: pass" in text


def test_no_line_is_wider_than_the_terminal_nor_leads_it_astray() -> None:
    made = comparison(
        numbers=numbers(labels=[f"{HOSTILE} {place}" for place in range(40)], lost=50, gained=30),
        data=data(label=HOSTILE),
        sentence=f"Worse: {HOSTILE}",
    )
    text = comparison_text(made)
    assert all(letter.isprintable() for letter in text.replace("\n", ""))
    words = [line for line in text.splitlines() if "xxx" not in line or "…" in line]
    assert max(map(len, words)) <= 100
    assert "and 44 more images" in text


def test_without_predictions_each_side_shows_its_own_record() -> None:
    record = {"accuracy": 0.9, "macro_f1": 0.89, "log_loss": None, "ece": 0.03, "n": 1262}
    made = comparison(
        "not_comparable",
        base=revision("main", metrics=record),
        head=revision("cnn", metrics=record),
        numbers=None,
        data=None,
    )
    text = comparison_text(made)
    assert (
        "  metric              base   head\n  accuracy           0.900  0.900\n  macro-F1           0.890  0.890\n"
        in text
    )
    assert "  test images        1,262  1,262\n" in text
    assert "log loss" not in text.partition("Params")[0]


def test_changed_images_are_counted_by_what_happened() -> None:
    images = data(1).images
    added = images[images["change"] == "added"]
    many = pd.concat([added, added, added.assign(source="bing", head_label=pd.NA)])
    made = data(1)
    text = comparison_text(comparison(data=type(made)(1, 2, (), many, (), made.near_test.iloc[:0])))
    assert "  3 images added: 2 coat, 1 conflicting (source: 2 shop, 1 bing)\n" in text
    assert "removed" not in text
