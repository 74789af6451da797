"""The run of all checks by Great Expectations: tables and checks in, outcomes out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from pixmill.expectations.check import Check, Table
from pixmill.expectations.docs import write_docs

if TYPE_CHECKING:
    from great_expectations.data_context import AbstractDataContext

__all__ = ["Outcome", "run_checks"]


@dataclass(frozen=True)
class Outcome:
    """Hold what came of a check.

    Args:
        check: What was expected.
        success: Whether it holds.
        type: Great Expectations' name of the expectation.
        kwargs: The arguments that it was given, as Great Expectations records them.
        result: What it found, as Great Expectations records it.
        found: What it found, in words, one line for each class or label that fails.
        advice: How to mend a failure, as a clause; ``None`` where there is nothing in particular to say.
    """

    check: Check
    success: bool
    type: str
    kwargs: Mapping[str, Any]
    result: Mapping[str, Any]
    found: tuple[str, ...]
    advice: str | None = None

    def record(self) -> dict[str, Any]:
        """Return what is kept of it: nothing that holds a clock or a random name."""
        return {
            "name": self.check.name,
            "table": self.check.table,
            "type": self.type,
            "kwargs": dict(self.kwargs),
            "severity": self.check.severity,
            "success": self.success,
            "result": dict(self.result),
        }


def run_checks(checks: Sequence[Check], tables: Mapping[str, Table], *, docs: Path | None = None) -> list[Outcome]:
    """Run every check on its table and return the outcomes, in the order of the checks.

    Args:
        checks: What is expected.
        tables: The tables by name.
        docs: The folder that Great Expectations' own pages are written to, in place of those of an earlier run;
            default: none are written.

    Raises:
        RuntimeError: An expectation could not be computed (a defect: Great Expectations itself calls that a failure).
    """
    # Great Expectations takes seconds to import.
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    outcomes: dict[int, Outcome] = {}
    for name, table in tables.items():
        numbered = {place: check for place, check in enumerate(checks) if check.table == name}
        for item in _results(context, name, table, numbered):
            for place in item["expectation_config"]["meta"]["checks"]:
                outcomes[place] = _outcome(checks[place], item, table.rows)
    if docs is not None:
        write_docs(context, docs)
    return [outcomes[place] for place in range(len(checks))]


def _results(
    context: AbstractDataContext, name: str, table: Table, checks: Mapping[int, Check]
) -> list[dict[str, Any]]:
    """Validate a table; results come back in any order, so each carries the numbers of its checks."""
    import great_expectations as gx
    from great_expectations import expectations as gxe

    # A suite takes the second of two equal expectations for a mistake, and drops it.
    equal: dict[str, list[int]] = {}
    for place, check in checks.items():
        equal.setdefault(json.dumps([check.expectation, check.kwargs, check.severity], sort_keys=True), []).append(
            place
        )
    suite = gx.ExpectationSuite(name=name)
    for places in equal.values():
        check = checks[places[0]]
        kind = getattr(gxe, check.expectation)
        suite.add_expectation(kind(**check.kwargs, severity=check.severity, meta={"checks": places}))
    asset = context.data_sources.add_pandas(name).add_dataframe_asset(name)
    # All three must be known to the context, or Great Expectations refuses to run them.
    definition = context.validation_definitions.add(
        gx.ValidationDefinition(
            name=name, data=asset.add_batch_definition_whole_dataframe(name), suite=context.suites.add(suite)
        )
    )
    wanted = {"result_format": "COMPLETE", "unexpected_index_column_names": list(table.named_by)}
    done = definition.run(
        batch_parameters={"dataframe": _plain(table.rows)},
        result_format=wanted if table.named_by else {"result_format": "SUMMARY"},
    )
    results: list[dict[str, Any]] = done.to_json_dict()["results"]
    return results


def _plain(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the table with its numbers as Great Expectations writes them rightly: it knows no other than these."""
    numbers = {
        name: column.to_numpy(dtype="float64", na_value=float("nan"))
        for name, column in rows.items()
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    }
    return rows.assign(**{str(name): values for name, values in numbers.items()})


def _outcome(check: Check, item: Mapping[str, Any], rows: pd.DataFrame) -> Outcome:
    trouble = item["exception_info"]
    # One flat record where all went well, one a metric where not.
    for part in [trouble] if "raised_exception" in trouble else trouble.values():
        if part["raised_exception"]:
            raise RuntimeError(f"the check '{check.name}' could not be computed: {part['exception_message']}")
    config, result = item["expectation_config"], item["result"]
    success = bool(item["success"])
    return Outcome(
        check=check,
        success=success,
        type=config["type"],
        kwargs={key: value for key, value in config["kwargs"].items() if key != "batch_id"},
        result=result,
        found=tuple(_printable(line) for line in check.tell(result, rows)),
        advice=None if success else check.advise(result, rows),
    )


def _printable(line: str) -> str:
    """Return a line as a terminal may show it: names come from strangers, and some characters are commands to it."""
    if line.isprintable():
        return line
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in line)
