"""One expectation of one table, with its severity and its words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pixmill.params import Severity

__all__ = ["Advise", "Check", "Result", "Table", "Tell"]

Result = Mapping[str, Any]
Tell = Callable[[Result, pd.DataFrame], list[str]]
Advise = Callable[[Result, pd.DataFrame], str | None]


@dataclass(frozen=True)
class Table:
    """Hold a table that is checked.

    Args:
        rows: The table; absent values are null.
        named_by: The columns that name a row, such as ``label``: results then list every row that fails, by name.
            Without them, as befits a table of a million rows, results hold counts and the first few values.
    """

    rows: pd.DataFrame
    named_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Check:
    """Hold one expectation of one table.

    Args:
        name: What metrics and messages call it; several checks may share a name.
        table: The name of the table.
        expectation: The class of :mod:`great_expectations.expectations`.
        kwargs: Its arguments; thresholds stand here, so that its record shows them.
        severity: What a failure does.
        parameters: The keys of ``params.yaml`` that govern it; none where it must hold whatever they say.
        wanted: What is expected, in words.
        tell: Returns what was found, in words, from Great Expectations' result and the table: one line for each class
            or label that fails, or one for all.
        advise: Returns how to mend a failure, where the table tells it, as a clause (``dvc checkout … brings them
            back``); default: nothing in particular.
    """

    name: str
    table: str
    expectation: str
    kwargs: Mapping[str, Any]
    severity: Severity
    parameters: tuple[str, ...]
    wanted: str
    tell: Tell
    advise: Advise = lambda _result, _rows: None
