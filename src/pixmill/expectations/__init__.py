"""Great Expectations: what is expected of a stage's tables, and what stops the pipeline.

- ``check``: one expectation, with its severity and its words; a table
- ``suite``: the run of all checks
- ``docs``: Great Expectations' own pages, by option; it and ``suite`` alone know Great Expectations
- ``gate``: which outcomes stop the pipeline, in words
"""

from pixmill.expectations.check import Advise, Check, Result, Table, Tell
from pixmill.expectations.gate import failures, gate_error, verdicts_by_name, warnings
from pixmill.expectations.suite import Outcome, run_checks

__all__ = [
    "Advise",
    "Check",
    "Outcome",
    "Result",
    "Table",
    "Tell",
    "failures",
    "gate_error",
    "run_checks",
    "verdicts_by_name",
    "warnings",
]
