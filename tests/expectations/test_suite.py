"""Checks run on tables: outcomes in order, records without a clock, pages that are safe to open."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pixmill.expectations import Check, Outcome, Table, run_checks

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
        tell=lambda result, rows: [f"{result['unexpected_count']} of {len(rows)}"],
        advise=lambda result, _: f"mend all {result['unexpected_count']}",
    )


def enough(least: float = 30, table: str = "classes") -> Check:
    return check("enough", "ExpectColumnValuesToBeBetween", table, column="n", min_value=least)


def known(*labels: str) -> Check:
    return check("known", "ExpectColumnValuesToBeInSet", column="label", value_set=list(labels))


def classes(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"label": ["coat", HOSTILE, "shoe"], "n": [50, 1, 2], **columns})


def run(*checks: Check, docs: Path | None = None, **tables: Table) -> list[Outcome]:
    return run_checks(checks, tables or {"classes": Table(classes(), named_by=("label",))}, docs=docs)


def test_outcomes_come_in_the_order_of_the_checks() -> None:
    checks = [enough(), known("coat"), enough(0), check("alone", "ExpectColumnValuesToBeUnique", column="label")]
    assert [outcome.check for outcome in run(*checks, *checks)] == [*checks, *checks]


def test_an_outcome_says_what_was_found_and_how_to_mend_it() -> None:
    failed, held = run(enough(), enough(0))
    assert (failed.success, failed.found, failed.advice) == (False, ("2 of 3",), "mend all 2")
    assert (held.success, held.found, held.advice) == (True, ("0 of 3",), None)


def test_names_of_strangers_command_no_terminal() -> None:
    told = check("odd", "ExpectColumnValuesToBeUnique", column="label")
    told = replace(told, tell=lambda _, rows: [str(rows["label"].iloc[0])])
    [outcome] = run(told, classes=Table(classes(label=["\x1b[2Jcoat\n\u202e", "b", "\xe9"])))
    assert outcome.found == ("\\x1b[2Jcoat\\n\\u202e",)


def test_a_table_with_names_has_every_row_that_fails_named() -> None:
    many = pd.DataFrame({"label": [f"class {number}" for number in range(100)], "n": 1})
    [named], [counted] = run(enough(), classes=Table(many, named_by=("label",))), run(enough(), classes=Table(many))
    assert [item["label"] for item in named.result["unexpected_index_list"]] == many["label"].tolist()
    assert counted.result["unexpected_count"] == 100
    assert len(counted.result["partial_unexpected_list"]) == 20
    assert "class 7" not in json.dumps(counted.record())


@pytest.mark.parametrize("dtype", ["Int32", "float32", "Float64", "int64"])
def test_numbers_of_every_kind_are_compared_and_told_alike(dtype: str) -> None:
    rows = pd.DataFrame({"n": pd.array([1, 23, 40], dtype=dtype)})
    [found] = run(enough(table="rows"), rows=Table(rows))
    assert found.result["partial_unexpected_list"] == [1.0, 23.0]


def test_texts_may_be_absent() -> None:
    rows = classes(label=pd.array(["coat", None, "hat"], dtype=pd.StringDtype("pyarrow", na_value=pd.NA)))
    [found] = run(known("coat"), classes=Table(rows))
    assert (found.result["unexpected_count"], found.result["missing_count"]) == (1, 1)


def test_records_hold_nothing_that_changes_from_run_to_run() -> None:
    first, second = ([outcome.record() for outcome in run(enough(), known("coat"))] for _ in range(2))
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


def test_pages_are_written_by_option_and_replace_those_of_the_run_before(tmp_path: Path) -> None:
    folder = tmp_path / "validate" / "data_docs"
    for least in (30, 7):
        run(enough(least), known("coat"), docs=folder)
    assert [path.name for path in folder.parent.iterdir()] == ["data_docs"]
    pages = {path: path.read_text(encoding="utf-8") for path in folder.rglob("*.html")}
    [result] = [text for path, text in pages.items() if "validations" in path.parts]
    [link] = re.findall(r'href="([^"]*)"', pages[folder / "index.html"])
    assert pages[folder / link] == result
    assert "greater than or equal to" in result
    assert ">7<" in result or ">7.0<" in result
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 6_000_000


def test_pages_show_names_escaped_run_no_script_and_ask_nothing_of_the_web(tmp_path: Path) -> None:
    [known_before] = run(known("coat"))
    [found] = run(known("coat"), docs=tmp_path / "docs")
    assert found.record() == known_before.record()
    for path in (tmp_path / "docs").rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        policy = re.search(r'<head>\s*<meta http-equiv="Content-Security-Policy"\s+content="([^"]*)">', text)
        assert policy is not None
        assert "default-src 'none'" in policy[1]
        assert "script" not in policy[1]
        assert "http" not in policy[1]
        assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in "".join(path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.html"))
