"""Print the results of the last run."""

import argparse
import contextlib
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pixmill.cli.parser import project_root
from pixmill.core.errors import ManifestError, PixmillError
from pixmill.core.files import read_json
from pixmill.core.workspace import Workspace

EXAMPLES = (("pixmill summary", "print the results of the last run"),)


def run(_: argparse.Namespace) -> None:
    """Print the summary."""
    print(summary(project_root()))


def summary(root: Path) -> str:
    """Return the summary of the last run as plain text.

    Args:
        root: The project's folder.

    Raises:
        ManifestError: There is no finished run.
        ParamsError: ``pyproject.toml`` is not valid.
    """
    from pixmill.clean.usage import describe_usage
    from pixmill.pages.evaluate.sentences import shortcut_sentence
    from pixmill.record.store import tracking_uri, view_hint
    from pixmill.review.examining import describe_missing
    from pixmill.state.result_status import notes, way_back
    from pixmill.state.uncommitted import commit_first

    try:
        metrics = read_json(root / "plots" / "evaluate" / "full.json", stage="evaluate")
    except ManifestError as error:
        if (back := way_back(root, "evaluate")) is None:
            raise
        raise ManifestError(error.message, next=f"{error.next}, or for those of the last run: {back}") from None
    shortcut = shortcut_sentence(metrics)
    lines = ["", *_headline(metrics), *([f"warning: {shortcut}"] if shortcut else []), "", *_per_class(metrics), ""]
    pages = [f"reports/{path.name}" for path in sorted((root / "reports").glob("*.html"))]
    lines += ["Reports:"]
    lines += [f"  {page}" for page in sorted(pages, key=lambda page: "evaluate" not in page)] or [
        f"  no pages yet; to build them: dvc repro; to fetch them: {commit_first(root, 'dvc pull')}"
    ]
    view = view_hint(tracking_uri(Workspace(root, root)))
    lines += [f"  MLflow: {view}" + (f", then {runs_page(root)}" if view.startswith("mlflow ui") else "")]
    lines += [f"  In production: {_champion(root)}", f"  {describe_usage(root)}", ""]
    missing, command = describe_missing(root) or ([], "")
    lines += [*missing, *([f"Next: {command}"] if command else []), *notes(root)]
    return "\n".join(lines).rstrip() + "\n"


def _champion(root: Path) -> str:
    from pixmill.registry.report import read_champion

    try:
        found = read_champion(Workspace(root, root))
    except PixmillError as error:
        return f"unknown ({error.message})"
    return found.describe() if found else "no model yet (pixmill promote)"


def runs_page(root: Path, *, port: int = 5000) -> str:
    """Return the address in ``mlflow ui`` of the experiment that runs go to; of MLflow itself where there is none yet.

    Args:
        root: The project's folder.
        port: The port of ``mlflow ui``.
    """
    from pixmill.record.store import database_file, experiment_name, tracking_uri

    page, file = f"http://127.0.0.1:{port}/", database_file(tracking_uri(Workspace(root, root)))
    if file is not None:
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as store,
        ):
            query = "SELECT experiment_id FROM experiments WHERE name = ?"
            for (number,) in store.execute(query, [experiment_name(root)]):
                # Without the workflow's type MLflow opens an experiment as one of generative AI.
                return f"{page}#/experiments/{number}/runs?workflowType=machine_learning"
    return page


def _headline(metrics: Mapping[str, Any]) -> list[str]:
    try:
        low, high = 100 * metrics["accuracy_low"], 100 * metrics["accuracy_high"]
        return [
            f"Test accuracy {100 * metrics['accuracy']:.1f} % (CI {low:.1f} % to {high:.1f} %) on {metrics['n']:,} "
            f"images; majority-class baseline: {100 * metrics['baseline']['majority_accuracy']:.1f} %",
            f"macro-F1 {metrics['macro_f1']:.3f}, log-loss {metrics['log_loss']:.3f}, "
            f"calibration error {metrics['ece']:.3f}",
        ]
    except KeyError as error:
        raise ManifestError(f"plots/evaluate/full.json lacks {error}", next="dvc repro -f evaluate") from None


def _per_class(metrics: Mapping[str, Any]) -> list[str]:
    width = max(map(len, [*metrics["per_class"], "class"]))
    rows = [f"  {'class':{width}}  precision  recall     F1  images"]
    for name, row in metrics["per_class"].items():
        cells = [f"{row[key]:.3f}" if row[key] is not None else "-" for key in ("precision", "recall", "f1")]
        rows.append(f"  {name:{width}}  {cells[0]:>9}  {cells[1]:>6}  {cells[2]:>5}  {row['support']:>8}")
    return rows
