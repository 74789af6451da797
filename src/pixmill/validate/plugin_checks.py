"""A team's own checks, which ``validate.plugins`` names."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from pixmill.expectations import Check, Table
from pixmill.project.plugins import load_plugin, plugin_error


def plugin_checks(
    plugins: Sequence[str],
    manifest: pd.DataFrame,
    classes: Sequence[str],
    *,
    tables: Mapping[str, Table],
    others: Sequence[Check],
    root: Path,
) -> list[Check]:
    """Return the checks of plugins, each a function of the manifest and the classes.

    Args:
        plugins: Their names.
        manifest: The columns of :data:`pixmill.core.manifest.VALIDATED`; each function gets a copy.
        classes: The declared labels.
        tables: The tables that checks may name.
        others: The checks whose names are taken.
        root: The project's folder.

    Raises:
        PluginError: There is no such plugin, or what it returns is no list of checks.
    """
    taken, found = {*tables, *(check.name for check in others)}, []
    for name in plugins:
        made = load_plugin("checks", name, root)(manifest.copy(), tuple(classes))
        for check in made if isinstance(made, list | tuple) else [made]:
            if problem := _problem(check, tables, taken):
                raise plugin_error("checks", name, root, problem)
            taken.add(check.name)
            found.append(check)
    return found


def _problem(check: object, tables: Mapping[str, Table], taken: set[str]) -> str | None:
    """Return what keeps a check from being run; ``None`` if nothing does."""
    from great_expectations import expectations

    if not isinstance(check, Check):
        return f"expected a list of pixmill.validate.Check, received {check!r}"
    if check.name in taken:
        return f"expected a name that no other check or table has, received {check.name!r}"
    table = tables.get(check.table) if isinstance(check.table, str) else check.table
    if not isinstance(table, Table):
        return f"{check.name}: expected a Table or one of the tables {', '.join(tables)}, received {check.table!r:.60}"
    try:
        getattr(expectations, check.expectation)(**check.kwargs, severity=check.severity)
    except (AttributeError, TypeError, ValueError) as error:
        return f"{check.name}: Great Expectations does not take this check: {error}"
    named = [value for key, value in check.kwargs.items() if key in ("column", "column_A", "column_B")]
    if unknown := [value for value in named if value not in table.rows]:
        return f"{check.name}: expected one of the columns {', '.join(map(str, table.rows))}, received {unknown[0]!r}"
    return None
