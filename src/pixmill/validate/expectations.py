"""Great Expectations: the only module that knows it. Tables and checks in, outcomes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pixmill.validate.checks import Check

if TYPE_CHECKING:
    import pandas as pd

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
    """

    check: Check
    success: bool
    type: str
    kwargs: Mapping[str, Any]
    result: Mapping[str, Any]
    found: tuple[str, ...]

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


def run_checks(checks: Sequence[Check], tables: Mapping[str, pd.DataFrame]) -> list[Outcome]:
    """Run every check on its table and return the outcomes, in the order of the checks.

    Args:
        checks: What is expected.
        tables: The tables by name, with plain values: no extension types, ``None`` or not-a-number where absent.

    Raises:
        RuntimeError: An expectation could not be computed (a defect: Great Expectations itself calls that a failure).
    """
    # Great Expectations takes seconds to import.
    import great_expectations as gx
    from great_expectations import expectations as gxe

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    outcomes: dict[int, Outcome] = {}
    for name, table in tables.items():
        suite = gx.ExpectationSuite(name=name)
        for place, check in enumerate(checks):
            if check.table == name:
                kind = getattr(gxe, check.expectation)
                # Results come back in another order; this number finds them.
                suite.add_expectation(kind(**check.kwargs, severity=check.severity, meta={"check": place}))
        asset = context.data_sources.add_pandas(name).add_dataframe_asset(name)
        batch = asset.add_batch_definition_whole_dataframe(name).get_batch(batch_parameters={"dataframe": table})
        for item in batch.validate(suite, result_format=_format(name)).to_json_dict()["results"]:
            place = item["expectation_config"]["meta"]["check"]
            outcomes[place] = _outcome(checks[place], item, table)
    return [outcomes[place] for place in range(len(checks))]


def _format(table: str) -> dict[str, Any]:
    """Return how much a result says: of classes all that fail, of pictures (there may be a million) the counts."""
    if table == "classes":
        return {"result_format": "COMPLETE", "unexpected_index_column_names": ["label"]}
    return {"result_format": "SUMMARY"}


def _outcome(check: Check, item: Mapping[str, Any], table: pd.DataFrame) -> Outcome:
    trouble = item["exception_info"]
    # One flat record where all went well, one a metric where not.
    for part in [trouble] if "raised_exception" in trouble else trouble.values():
        if part["raised_exception"]:
            raise RuntimeError(f"the check '{check.name}' could not be computed: {part['exception_message']}")
    config = item["expectation_config"]
    return Outcome(
        check=check,
        success=bool(item["success"]),
        type=config["type"],
        kwargs={key: value for key, value in config["kwargs"].items() if key != "batch_id"},
        result=item["result"],
        found=tuple(check.tell(item["result"], table)),
    )
