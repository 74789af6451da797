"""Checks of a stage's tables, run by Great Expectations, and the gate.

To add a check to Pixmill:

1. Write a :class:`Check` in the ``checks.py`` of validate or split, on one of the stage's tables.
2. Add a section with its threshold and severity to the stage's params.
3. Test it with data that fails this check alone, and describe it in ``docs/reference/checks.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from pixmill.core.errors import GateError
from pixmill.core.params import Severity
from pixmill.core.process.progress import begin
from pixmill.core.words import count, printable

if TYPE_CHECKING:
    from great_expectations.datasource.fluent import PandasDatasource
    from great_expectations.datasource.fluent.interfaces import Batch

Result = Mapping[str, Any]
Describe = Callable[[Result, pd.DataFrame], list[str]]
Advise = Callable[[Result, pd.DataFrame], str | None]

_MAX_LINES = 20
"""Maximum lines per critical check in a message."""

_MAX_WARNING_LINES = 3
"""Maximum lines per other check; the page lists the rest."""


@dataclass(frozen=True)
class Table:
    """A table to check.

    Args:
        rows: The table; missing values are null.
        named_by: Columns that identify a row, such as ``label``: results then list every failing
            row. Without them, results hold counts and the first few values, for large tables.
    """

    rows: pd.DataFrame
    named_by: tuple[str, ...] = ()


def _describe(result: Result, _: pd.DataFrame) -> list[str]:
    """Describe a result, for checks without a ``describe``."""
    if "unexpected_count" not in result:
        return [f"found {result.get('observed_value')}"]
    named = result.get("unexpected_index_list") or []
    # Great Expectations puts the value before the identifying columns, and has floats only.
    rows = [
        ", ".join(
            f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"
            for key, value in reversed(row.items())
        )
        for row in named
    ]
    # Checks of value sets count values, not rows.
    total = "values"
    if "element_count" in result:
        total = f"of {result['element_count'] - result.get('missing_count', 0):,} rows"
    return rows or [f"{result['unexpected_count']:,} {total} fail"]


@dataclass(frozen=True)
class Check:
    """An expectation of one table.

    >>> check = Check(
    ...     name="enough",
    ...     table="classes",
    ...     expectation="ExpectColumnValuesToBeBetween",
    ...     kwargs={"column": "n", "min_value": 30},
    ...     severity="critical",
    ...     parameters=("validate.min_per_class.count",),
    ...     wanted="at least 30",
    ...     describe=lambda result, rows: [f"{result['unexpected_count']} of {len(rows)} have fewer"],
    ... )
    >>> classes = pd.DataFrame({"label": ["coat", "shoe"], "n": [40, 20]})
    >>> outcomes = run_checks([check], {"classes": Table(classes, named_by=("label",))})
    >>> print(gate_error(outcomes, report="reports/validate.html").message)
    the gate stopped the pipeline: 1 critical check failed
      enough: 1 of 2 have fewer; expected at least 30 (validate.min_per_class.count)

    Args:
        name: Name in metrics and messages; checks may share one.
        table: Name of a stage's table, or a table that only this check uses.
        expectation: Class in :mod:`great_expectations.expectations`.
        kwargs: Its arguments, thresholds included, so that the record shows them.
        severity: The effect of a failure.
        wanted: The expected result, as a phrase.
        parameters: Keys of ``params.yaml`` that configure the check, if any.
        describe: Describes Great Expectations' result, given the table: one line per failing class
            or label, or one for all. Default: the failing rows, by name or count.
        advise: Returns a clause that says how to fix a failure (``dvc checkout … restores them``);
            default: ``None``.
    """

    name: str
    table: str | Table
    expectation: str
    kwargs: Mapping[str, Any]
    severity: Severity
    wanted: str
    parameters: tuple[str, ...] = ()
    describe: Describe = _describe
    advise: Advise = lambda _result, _rows: None

    @property
    def table_name(self) -> str:
        """The name of the table; a table that only this check uses has the check's name."""
        return self.table if isinstance(self.table, str) else self.name


@dataclass(frozen=True)
class Outcome:
    """The outcome of a check.

    Args:
        check: The check.
        success: Whether it passed.
        type: Great Expectations' name of the expectation.
        kwargs: The expectation's arguments, as Great Expectations records them.
        result: The result as Great Expectations records it.
        found: Description of the result, one line per failing class or label.
        advice: Clause that says how to fix a failure, if known.
    """

    check: Check
    success: bool
    type: str
    kwargs: Mapping[str, Any]
    result: Mapping[str, Any]
    found: tuple[str, ...]
    advice: str | None = None

    def record(self) -> dict[str, Any]:
        """Return the reproducible parts: no times, no random names."""
        return {
            "name": self.check.name,
            "table": self.check.table_name,
            "type": self.type,
            "kwargs": dict(self.kwargs),
            "severity": self.check.severity,
            "success": self.success,
            "result": dict(self.result),
        }


def run_checks(checks: Sequence[Check], tables: Mapping[str, Table]) -> list[Outcome]:
    """Run every check on its table and return the outcomes, in the order of the checks.

    Args:
        checks: The checks.
        tables: The tables by name.

    Raises:
        RuntimeError: An expectation could not be computed, which Great Expectations reports as a
            failure.
    """
    begin("Check the table of images")  # the import of Great Expectations takes seconds
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    every = {
        **tables,
        **{check.name: check.table for check in checks if isinstance(check.table, Table)},
    }
    source = context.data_sources.add_pandas("tables")
    batches = {
        name: _batch(source, name, every[name].rows)
        for name in {check.table_name: None for check in checks}
    }
    return [_outcome(check, batches[check.table_name], every[check.table_name]) for check in checks]


def failures(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Return the failed critical checks, which stop the pipeline."""
    return [
        outcome
        for outcome in outcomes
        if not outcome.success and outcome.check.severity == "critical"
    ]


def warnings(outcomes: Iterable[Outcome]) -> dict[str, list[str]]:
    """Return the lines of other failed checks by name, each with severity and advice."""
    lines: dict[str, list[str]] = {}
    for outcome in outcomes:
        if not outcome.success and outcome.check.severity != "critical":
            more = [
                f"{outcome.check.severity}: {line}"
                for line in _lines(outcome, most=_MAX_WARNING_LINES)
            ]
            if outcome.advice is not None:
                more[-1] += f"; {outcome.advice}"
            lines.setdefault(outcome.check.name, []).extend(more)
    return lines


def verdicts_by_name(outcomes: Iterable[Outcome]) -> dict[str, bool]:
    """Return for each name whether all checks of that name passed."""
    verdicts: dict[str, bool] = {}
    for outcome in outcomes:
        verdicts[outcome.check.name] = verdicts.get(outcome.check.name, True) and outcome.success
    return verdicts


def gate_error(
    outcomes: Iterable[Outcome],
    *,
    report: str,
    fix: str = "fix the images",
    first: Sequence[str] = (),
) -> GateError | None:
    """Return the error that stops the pipeline, or ``None`` if all critical checks passed.

    Each line names the check, the result (class, count), the expected result, and the parameter.

    Args:
        outcomes: Outcomes of the checks.
        report: Path of the page to open.
        fix: Clause with an alternative to editing params.
        first: Clauses that come before all other advice.
    """
    failed = failures(outcomes)
    if not failed:
        return None
    names = {outcome.check.name for outcome in failed}
    lines = [f"the gate stopped the pipeline: {count(len(names), 'critical check')} failed"]
    parameters: dict[str, None] = {}
    advice: dict[str, None] = {}
    for outcome in failed:
        lines += [f"  {line}" for line in _lines(outcome, most=_MAX_LINES)]
        parameters |= dict.fromkeys(outcome.check.parameters)
        if outcome.advice is not None:
            advice[outcome.advice] = None
    edit = f"{fix}, or edit {', '.join(parameters)} in params.yaml" if parameters else fix
    steps = [*first, *advice, f"open {report}", edit, "then: dvc repro"]
    return GateError("\n".join(lines), next="; ".join(steps))


def _batch(source: PandasDatasource, name: str, rows: pd.DataFrame) -> Batch:
    # Adding a batch definition would make Great Expectations serialize all of its settings as YAML.
    asset = source.add_dataframe_asset(name)
    return asset.get_batch(asset.build_batch_request({"dataframe": _plain(rows)}))


def _plain(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the table with numbers as float64, which Great Expectations serializes correctly."""
    numbers = {
        name: column.to_numpy(dtype="float64", na_value=float("nan"))
        for name, column in rows.items()
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    }
    return rows.assign(**{str(name): values for name, values in numbers.items()})


def _outcome(check: Check, batch: Batch, table: Table) -> Outcome:
    from great_expectations import expectations as gxe

    complete = {"result_format": "COMPLETE", "unexpected_index_column_names": list(table.named_by)}
    item = batch.validate(
        getattr(gxe, check.expectation)(**check.kwargs, severity=check.severity),
        result_format=complete if table.named_by else {"result_format": "SUMMARY"},
    ).to_json_dict()
    info = item["exception_info"]
    # A flat record if all went well, else one per metric.
    for part in [info] if "raised_exception" in info else info.values():
        if part["raised_exception"]:
            raise RuntimeError(
                f"the check '{check.name}' could not be computed: {part['exception_message']}"
            )
    config = item["expectation_config"]
    result = item["result"]
    success = bool(item["success"])
    return Outcome(
        check=check,
        success=success,
        type=config["type"],
        kwargs={key: value for key, value in config["kwargs"].items() if key != "batch_id"},
        result=result,
        found=tuple(printable(line) for line in check.describe(result, table.rows)),
        advice=None if success else check.advise(result, table.rows),
    )


def _lines(outcome: Outcome, *, most: int) -> list[str]:
    check = outcome.check
    found = outcome.found
    parameters = f" ({', '.join(check.parameters)})" if check.parameters else ""
    lines = [f"{check.name}: {text}; expected {check.wanted}{parameters}" for text in found[:most]]
    return lines if len(found) <= most else [*lines, f"{check.name}: {len(found) - most:,} more"]
