"""A stage's checks, run by Great Expectations, and the error where a critical one fails.

To add a check to Pixmill:

1. Write a :class:`Check` in the ``checks.py`` of validate or split, on one of the stage's tables.
2. Add a section with its threshold and severity to the stage's params.
3. Test it with data that fails this check alone, and describe it in ``docs/validation.md`` or ``docs/split.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from pixmill.core.errors import GateError
from pixmill.core.params import Severity
from pixmill.core.words import count, printable

if TYPE_CHECKING:
    from great_expectations.datasource.fluent import PandasDatasource
    from great_expectations.datasource.fluent.interfaces import Batch

Result = Mapping[str, Any]
Tell = Callable[[Result, pd.DataFrame], list[str]]
Advise = Callable[[Result, pd.DataFrame], str | None]

_LINES = 20
"""Most lines of one check in a message."""

_LINES_OF_WARNINGS = 3
"""The same for a check that is not critical; the page lists the rest."""


@dataclass(frozen=True)
class Table:
    """A table that is checked.

    Args:
        rows: The table; absent values are null.
        named_by: The columns that name a row, such as ``label``: results then list every row that fails, by name.
            Without them, results hold counts and the first few values, which is enough for large tables.
    """

    rows: pd.DataFrame
    named_by: tuple[str, ...] = ()


def _tell(result: Result, _: pd.DataFrame) -> list[str]:
    """Return what an expectation found, where a check has no words of its own."""
    if "unexpected_count" not in result:
        return [f"found {result.get('observed_value')}"]
    named = result.get("unexpected_index_list") or []
    # Great Expectations puts the value before what names the row, and has no whole numbers.
    rows = [", ".join(f"{key} {_short(value)}" for key, value in reversed(row.items())) for row in named]
    # Checks of a set of values count these, and not the rows.
    total = "values"
    if "element_count" in result:
        total = f"of {result['element_count'] - result.get('missing_count', 0):,} rows"
    return rows or [f"{result['unexpected_count']:,} {total} fail"]


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


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
    ...     tell=lambda result, rows: [f"{result['unexpected_count']} of {len(rows)} classes have fewer"],
    ... )
    >>> classes = pd.DataFrame({"label": ["coat", "shoe"], "n": [40, 20]})
    >>> outcomes = run_checks([check], {"classes": Table(classes, named_by=("label",))})
    >>> print(gate_error(outcomes, report="reports/validate.html").message)
    the gate stopped the pipeline: 1 critical check failed
      enough: 1 of 2 classes have fewer; expected at least 30 (validate.min_per_class.count)

    Args:
        name: What metrics and messages call it; several checks may share a name.
        table: The name of the table, or one of its own.
        expectation: The class of :mod:`great_expectations.expectations`.
        kwargs: Its arguments; thresholds stand here, so that its record shows them.
        severity: What a failure does.
        wanted: What is expected, in words.
        parameters: The keys of ``params.yaml`` that set it; default: it does not depend on params.
        tell: Returns the result in words, from Great Expectations' result and the table: one line for each class or
            label that fails, or one for all. Default: the rows that fail, by name or number.
        advise: Returns how to fix a failure, where the table tells it, as a clause (``dvc checkout … brings them
            back``); default: nothing in particular.
    """

    name: str
    table: str | Table
    expectation: str
    kwargs: Mapping[str, Any]
    severity: Severity
    wanted: str
    parameters: tuple[str, ...] = ()
    tell: Tell = _tell
    advise: Advise = lambda _result, _rows: None

    @property
    def table_name(self) -> str:
        """The name of the table; one of its own has that of the check."""
        return self.table if isinstance(self.table, str) else self.name


@dataclass(frozen=True)
class Outcome:
    """The outcome of a check.

    Args:
        check: What was expected.
        success: Whether it passed.
        type: Great Expectations' name of the expectation.
        kwargs: The arguments that it was given, as Great Expectations records them.
        result: The result as Great Expectations records it.
        found: The result in words, one line for each class or label that fails.
        advice: How to fix a failure, as a clause; ``None`` where there is nothing in particular to say.
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
        checks: What is expected.
        tables: The tables by name.

    Raises:
        RuntimeError: An expectation could not be computed (a defect: Great Expectations itself calls that a failure).
    """
    # Great Expectations takes seconds to import.
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    own = {check.name: check.table for check in checks if isinstance(check.table, Table)}
    every = {**tables, **own}
    source = context.data_sources.add_pandas("tables")
    batches = {name: _batch(source, name, every[name].rows) for name in {check.table_name: None for check in checks}}
    return [_outcome(check, batches[check.table_name], every[check.table_name]) for check in checks]


def failures(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Return the outcomes that stop the pipeline: those that are critical and failed."""
    return [outcome for outcome in outcomes if not outcome.success and outcome.check.severity == "critical"]


def warnings(outcomes: Iterable[Outcome]) -> dict[str, list[str]]:
    """Return the failures that are not critical, by name: lines as those of the gate, between severity and advice."""
    lines: dict[str, list[str]] = {}
    for outcome in outcomes:
        if not outcome.success and outcome.check.severity != "critical":
            more = [f"{outcome.check.severity}: {line}" for line in _lines(outcome, most=_LINES_OF_WARNINGS)]
            if outcome.advice is not None:
                more[-1] += f"; {outcome.advice}"
            lines.setdefault(outcome.check.name, []).extend(more)
    return lines


def verdicts_by_name(outcomes: Iterable[Outcome]) -> dict[str, bool]:
    """Return for each name whether all of its checks passed."""
    verdicts: dict[str, bool] = {}
    for outcome in outcomes:
        verdicts[outcome.check.name] = verdicts.get(outcome.check.name, True) and outcome.success
    return verdicts


def gate_error(outcomes: Iterable[Outcome], *, report: str, fix: str = "fix the images") -> GateError | None:
    """Return the error that stops the pipeline, or ``None`` where nothing stops it.

    Each line names the check, the result (which class, how many), what was expected, and the parameter.

    Args:
        outcomes: What came of the checks.
        report: The page to open, as a path to type.
        fix: What may help besides editing params, as a clause.
    """
    failed = failures(outcomes)
    if not failed:
        return None
    names = list(dict.fromkeys(outcome.check.name for outcome in failed))
    parameters = list(dict.fromkeys(name for outcome in failed for name in outcome.check.parameters))
    advice = list(dict.fromkeys(outcome.advice for outcome in failed if outcome.advice is not None))
    lines = [line for outcome in failed for line in _lines(outcome, most=_LINES)]
    edit = f"{fix}, or edit {', '.join(parameters)} in params.yaml" if parameters else fix
    return GateError(
        "\n".join(
            [
                f"the gate stopped the pipeline: {count(len(names), 'critical check')} failed",
                *(f"  {line}" for line in lines),
            ]
        ),
        next="; ".join([*advice, f"open {report}", edit, "then: dvc repro"]),
    )


def _batch(source: PandasDatasource, name: str, rows: pd.DataFrame) -> Batch:
    # Great Expectations writes all of its settings as YAML for whatever is added, so no batch definition is.
    asset = source.add_dataframe_asset(name)
    return asset.get_batch(asset.build_batch_request({"dataframe": _plain(rows)}))


def _plain(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the table with its numbers as Great Expectations writes them rightly: it knows no other than these."""
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
    # One flat record where all went well, one a metric where not.
    for part in [info] if "raised_exception" in info else info.values():
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
        found=tuple(printable(line) for line in check.tell(result, table.rows)),
        advice=None if success else check.advise(result, table.rows),
    )


def _lines(outcome: Outcome, *, most: int) -> list[str]:
    check, found = outcome.check, outcome.found
    parameters = f" ({', '.join(check.parameters)})" if check.parameters else ""
    lines = [f"{check.name}: {text}; expected {check.wanted}{parameters}" for text in found[:most]]
    return lines if len(found) <= most else [*lines, f"{check.name}: {len(found) - most:,} more"]
