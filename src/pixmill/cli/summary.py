"""Print the next steps and the results of the last run."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pixmill.cli.parser import project_root
from pixmill.core.errors import ManifestError
from pixmill.core.files.workspace import Workspace
from pixmill.core.words import percent
from pixmill.project.api import Project

if TYPE_CHECKING:
    from pixmill.project.state import ProjectState

EXAMPLES = (("pixmill summary --json | jq -r .next[0].command", "print only the next command"),)

_KINDS = (("class", "f1", "F1"), ("label", "average_precision", "AP"))
"""Name of a class, and its metric; with one label an image, and with several."""

_REST = "log-loss {log_loss:.3f}, calibration error {ece:.3f}"
"""Further metrics."""

_FAULTS: Mapping[type[Exception], str] = {
    KeyError: "plots/evaluate/full.json lacks {}",
    TypeError: "plots/evaluate/full.json is of another version",
    ManifestError: "{0.message}",
}
"""Why results cannot be shown."""

_SHOWN_FAULTS = {"Git", "stages", "model in production", "MLflow"}
"""Faults that the next step or another line shows."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument(
        "--json", action="store_true", help="print the state of the project as one JSON object"
    )


def run(arguments: argparse.Namespace) -> None:
    """Print the summary."""
    from pixmill.project.state import read_project_state

    state = read_project_state(project_root())
    # ASCII, because file names need not be valid Unicode.
    sys.stdout.write(
        f"{json.dumps(state.document(), indent=2)}\n" if arguments.json else summary(state)
    )


def summary(state: ProjectState) -> str:
    """Return the next steps and the results as plain text.

    Args:
        state: State of the project.
    """
    from pixmill.project.disk.usage import describe_sizes
    from pixmill.project.next_steps import next_steps
    from pixmill.tracking.store import tracking_uri, view_hint

    root = state.root
    (first, *others) = next_steps(state)
    lines = ["", f"Next: {first.text}"]
    lines += [f"Then: {step.text}" for step in others]
    lines += ["", *_results(state)]
    pages = [f"reports/{path.name}" for path in sorted((root / "reports").glob("*.html"))]
    pages.sort(key=lambda page: "evaluate" not in page)
    lines += ["Reports:", *(f"  {page}" for page in pages or ["no pages yet"])]
    view = state.faults.get("MLflow") or view_hint(tracking_uri(Workspace(root, root)))
    if view.startswith("mlflow ui"):
        view += ", then http://127.0.0.1:5000/"
    git = state.faults.get("Git", "").removeprefix("Git ") or state.repository.text
    lines += [f"  MLflow: {view}", f"  In production: {_production(state)}", f"  Git: {git}"]
    if state.disk:
        lines.append(f"  {describe_sizes(state.disk)}")
    unknown = state.faults.keys() - _SHOWN_FAULTS
    lines += [f"  Unknown: {part} ({state.faults[part]})" for part in sorted(unknown)]
    return "\n".join(lines).rstrip() + "\n"


def _production(state: ProjectState) -> str:
    if (fault := state.faults.get("model in production")) is not None:
        return f"unknown ({fault})"
    if state.champion is None:
        return f"no model yet{state.registry or ' (pixmill promote)'}"
    return state.champion.describe()


def _results(state: ProjectState) -> list[str]:
    from pixmill.evaluate.page.sentences import say

    stages = [
        f"  {stage.name:{max(len(each.name) for each in state.stages)}}  {stage.text}"
        for stage in state.stages
    ]
    lines = [] if state.is_fresh or not stages else ["Stages:", *stages, ""]
    if not (state.root / "plots" / "evaluate" / "full.json").exists():
        return [*lines, "No results yet.", ""]
    try:
        metrics = Project(state.root).metrics
        shortcut = say("shortcut", metrics)
        headline = _headline(metrics)
        classes = _per_class(metrics)
    except (KeyError, TypeError, ManifestError) as error:
        what = _FAULTS[type(error)].format(error)
        return [*lines, f"The results cannot be shown: {what} (dvc repro -f -s evaluate)", ""]
    if lines:
        lines.append("Last evaluation:")
    lines += headline
    if shortcut:
        lines.append(f"warning: {shortcut}")
    return [*lines, "", *classes, ""]


def _headline(metrics: Mapping[str, Any]) -> list[str]:
    from pixmill.project.findings import HEADLINES

    headline = HEADLINES[HEADLINES[1] in metrics]
    interval = "undefined"
    if metrics[headline] is not None:
        low = percent(metrics[f"{headline}_low"])
        high = percent(metrics[f"{headline}_high"])
        interval = f"{percent(metrics[headline])} (CI {low} to {high})"
    images = f"{interval} on {metrics['n']:,} images; "
    if headline != "accuracy":
        baseline = percent(metrics["baseline_average_precision"])
        return [
            f"Mean average precision {images}without a model: {baseline}",
            f"All labels right: {percent(metrics['exact_match'])} of images, {_REST.format_map(metrics)}",
        ]
    majority = percent(metrics["baseline"]["majority_accuracy"])
    return [
        f"Test accuracy {images}majority-class baseline: {majority}",
        f"macro-F1 {metrics['macro_f1']:.3f}, {_REST.format_map(metrics)}",
    ]


def _per_class(metrics: Mapping[str, Any]) -> list[str]:
    from pixmill.project.findings import HEADLINES

    name, score, title = _KINDS[HEADLINES[1] in metrics]
    width = max(map(len, [*metrics["per_class"], name]))
    rows = [f"  {name:{width}}  precision  recall  {title:>5}  images"]
    for label, row in metrics["per_class"].items():
        cells = [
            f"{row[key]:.3f}" if row[key] is not None else "-"
            for key in ("precision", "recall", score)
        ]
        rows.append(
            f"  {label:{width}}  {cells[0]:>9}  {cells[1]:>6}  {cells[2]:>5}  {row['support']:>8}"
        )
    return rows
