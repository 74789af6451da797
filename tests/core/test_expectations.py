"""Checks run by Great Expectations, and the gate."""

import json
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from pixmill.core.expectations import (
    Check,
    Outcome,
    Table,
    failures,
    gate_error,
    run_checks,
    verdicts_by_name,
    warnings,
)

HOSTILE = "<script>alert(1)</script>&amp;$x"


def check(name: str, expectation: str, table: str = "classes", **kwargs: Any) -> Check:
    return Check(
        name=name,
        table=table,
        expectation=expectation,
        kwargs=kwargs,
        severity="warning",
        parameters=(),
        wanted="",
        describe=lambda result, rows: [f"{result['unexpected_count']} of {len(rows)}"],
        advise=lambda result, _: f"mend all {result['unexpected_count']}",
    )


def enough(least: float = 30, table: str = "classes") -> Check:
    return check("enough", "ExpectColumnValuesToBeBetween", table, column="n", min_value=least)


def known(*labels: str) -> Check:
    return check("known", "ExpectColumnValuesToBeInSet", column="label", value_set=list(labels))


def classes(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"label": ["coat", HOSTILE, "shoe"], "n": [50, 1, 2], **columns})


def run(*checks: Check, **tables: Table) -> list[Outcome]:
    return run_checks(checks, tables or {"classes": Table(classes(), named_by=("label",))})


def test_an_outcome_says_what_was_found_and_how_to_mend_it() -> None:
    failed, held = run(enough(), enough(0))
    assert (failed.success, failed.found, failed.advice) == (False, ("2 of 3",), "mend all 2")
    assert (held.success, held.found, held.advice) == (True, ("0 of 3",), None)


@pytest.mark.parametrize(
    ("expectation", "kwargs", "found"),
    [
        ("ExpectColumnMeanToBeBetween", {"column": "n", "max_value": 1}, "found 17.6"),
        (
            "ExpectColumnDistinctValuesToBeInSet",
            {"column": "label", "value_set": ["coat"]},
            "2 values fail",
        ),
        ("ExpectColumnValuesToBeBetween", {"column": "n", "min_value": 2}, "label <script>"),
        ("ExpectTableRowCountToEqual", {"value": 1}, "found 3"),
    ],
)
def test_a_check_without_words_of_its_own_says_the_value_or_the_rows(
    expectation, kwargs, found
) -> None:
    (outcome,) = run(Check("plain", "classes", expectation, kwargs, "info", "else"))
    (line,) = warnings([outcome])["plain"]
    assert line.startswith(f"info: plain: {found}")


def test_names_of_strangers_command_no_terminal() -> None:
    odd = check("odd", "ExpectColumnValuesToBeUnique", column="label")
    odd = replace(odd, describe=lambda _, rows: [str(rows["label"].iloc[0])])
    [outcome] = run(odd, classes=Table(classes(label=["\x1b[2Jcoat\n\u202e", "b", "\xe9"])))
    assert outcome.found == ("\\x1b[2Jcoat\\n\\u202e",)


def test_a_table_with_names_has_every_row_that_fails_named() -> None:
    many = pd.DataFrame({"label": [f"class {number}" for number in range(100)], "n": 1})
    [named] = run(enough(), classes=Table(many, named_by=("label",)))
    [counted] = run(enough(), classes=Table(many))
    assert [item["label"] for item in named.result["unexpected_index_list"]] == many[
        "label"
    ].tolist()
    assert counted.result["unexpected_count"] == 100
    assert len(counted.result["partial_unexpected_list"]) == 20
    assert "class 7" not in json.dumps(counted.record())


@pytest.mark.parametrize("dtype", ["Int32", "float32", "Float64", "int64"])
def test_numbers_of_every_kind_are_compared_and_odd_alike(dtype: str) -> None:
    rows = pd.DataFrame({"n": pd.array([1, 23, 40], dtype=dtype)})
    [found] = run(enough(table="rows"), rows=Table(rows))
    assert found.result["partial_unexpected_list"] == [1.0, 23.0]


def test_records_hold_nothing_that_changes_from_run_to_run() -> None:
    first, second = (
        [outcome.record() for outcome in run(enough(), known("coat"))] for _ in range(2)
    )
    assert first == second
    assert json.dumps(first, allow_nan=False)
    for record in first:
        assert set(record) == {"name", "table", "type", "kwargs", "severity", "success", "result"}
    assert first[0]["kwargs"] == {"column": "n", "min_value": 30}


def test_a_check_that_cannot_be_computed_is_a_defect_and_no_failure() -> None:
    with pytest.raises(RuntimeError, match=r"'odd' could not be computed: .*nowhere"):
        run(check("odd", "ExpectColumnValuesToBeUnique", column="nowhere"))


def test_a_run_says_nothing_by_itself(capfd: pytest.CaptureFixture[str]) -> None:
    run(enough())
    assert capfd.readouterr() == ("", "")


def outcome(name: str, severity: str, *found: str, success: bool = False) -> Outcome:
    check = Check(
        name,
        "classes",
        "",
        {},
        severity,
        "at least 0.2",
        (f"validate.{name}.share",),
        lambda *_: [],
    )  # type: ignore[arg-type]
    return Outcome(check, success, "", {}, {}, found)


def test_only_what_is_critical_and_failed_stops_the_pipeline() -> None:
    critical = outcome("a", "critical")
    warned = outcome("b", "warning")
    assert failures(
        [critical, warned, outcome("c", "info"), outcome("d", "critical", success=True)]
    ) == [critical]
    assert gate_error([warned], report="page.html") is None


def test_what_failed_and_stops_nothing_is_odd_in_few_lines_with_its_severity() -> None:
    some = [
        outcome("a", "critical"),
        outcome("c", "info", "3 are dark"),
        outcome("d", "info", success=True),
    ]
    many = outcome("b", "warning", *(f"class {n}" for n in range(5)))
    expected = "expected at least 0.2 (validate.{}.share)"
    assert warnings([*some, many]) == {
        "c": [f"info: c: 3 are dark; {expected.format('c')}"],
        "b": [
            *(f"warning: b: class {n}; {expected.format('b')}" for n in range(3)),
            "warning: b: 2 more",
        ],
    }


def test_a_warning_ends_with_its_advice() -> None:
    advised = replace(outcome("b", "warning", "4 copies"), advice="remove them")
    assert warnings([advised])["b"] == [
        "warning: b: 4 copies; expected at least 0.2 (validate.b.share); remove them"
    ]


def test_a_name_holds_where_all_of_its_checks_do() -> None:
    some = [
        outcome("a", "info", success=True),
        outcome("a", "info"),
        outcome("b", "info", success=True),
    ]
    assert verdicts_by_name(some) == {"a": False, "b": True}


def test_the_message_names_what_where_how_much_and_the_parameter() -> None:
    error = gate_error(
        [outcome("balance", "critical", "class 'shoe' has 3 images")], report="page.html"
    )
    assert str(error).splitlines() == [
        "the gate stopped the pipeline: 1 critical check failed",
        "  balance: class 'shoe' has 3 images; expected at least 0.2 (validate.balance.share)",
        (
            "Next: open page.html; fix the images, or edit validate.balance.share in params.yaml; "
            "then: dvc repro"
        ),
    ]


def test_advice_comes_first_and_once_and_what_no_parameter_governs_names_none() -> None:
    check = Check("apart", "pairs", "", {}, "critical", "none", (), lambda *_: [])
    failed = Outcome(
        check,
        False,
        "",
        {},
        {},
        ("2 pairs cross",),
        "`dvc checkout artifacts/scrape` brings them back",
    )
    error = gate_error([failed, failed], report="page.html", fix="report it")
    assert str(error).splitlines()[1:] == [
        "  apart: 2 pairs cross; expected none",
        "  apart: 2 pairs cross; expected none",
        (
            "Next: `dvc checkout artifacts/scrape` brings them back; open page.html; report it; "
            "then: "
            "dvc repro"
        ),
    ]
