"""What a person wants to know when the pipeline has ended: the figures, the pages, and what to type next."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from pixmill.errors import ManifestError
from pixmill.files import read_json
from pixmill.git import git

__all__ = ["summary"]

_RESULTS = ("dvc.lock", "metrics", "plots")

_NO_PAGES = "the pages are not here yet: dvc pull fetches them, make repro makes them anew"


def summary(root: Path, *, environ: Mapping[str, str]) -> str:
    """Return the summary of the last run as plain text.

    Args:
        root: The project's folder.
        environ: Where ``MLFLOW_TRACKING_URI`` may stand.

    Raises:
        ManifestError: There is no finished run.
    """
    metrics = read_json(root / "metrics" / "evaluate.json", stage="evaluate")
    lines = ["", *_headline(metrics), "", *_per_class(metrics), ""]
    pages = [f"reports/{path.name}" for path in sorted((root / "reports").glob("*.html"))]
    lines += ["Look at it:"]
    lines += [f"  {page}" for page in sorted(pages, key=lambda page: "evaluate" not in page)] or [f"  {_NO_PAGES}"]
    server = environ.get("MLFLOW_TRACKING_URI")
    lines += [f"  MLflow: {server}" if server else "  make ui            the runs, in MLflow's pages", ""]
    lines += _git_notes(root)
    return "\n".join(lines).rstrip() + "\n"


def _headline(metrics: Mapping[str, Any]) -> list[str]:
    try:
        interval = f"{metrics['accuracy_low']:.3f} to {metrics['accuracy_high']:.3f}"
        return [
            f"Test accuracy {metrics['accuracy']:.3f} (confidence interval {interval}) on {metrics['n']} pictures; "
            f"always the commonest class: {metrics['baseline']['majority_accuracy']:.3f}",
            f"macro-F1 {metrics['macro_f1']:.3f}, log-loss {metrics['log_loss']:.3f}, "
            f"calibration error {metrics['ece']:.3f}",
        ]
    except KeyError as error:
        raise ManifestError(f"metrics/evaluate.json lacks {error}", next="dvc repro -f evaluate") from None


def _per_class(metrics: Mapping[str, Any]) -> list[str]:
    width = max(map(len, [*metrics["per_class"], "class"]))
    rows = [f"  {'class':{width}}  precision  recall     F1  pictures"]
    for name, row in metrics["per_class"].items():
        cells = [f"{row[key]:.3f}" if row[key] is not None else "-" for key in ("precision", "recall", "f1")]
        rows.append(f"  {name:{width}}  {cells[0]:>9}  {cells[1]:>6}  {cells[2]:>5}  {row['support']:>8}")
    return rows


def _git_notes(root: Path) -> list[str]:
    """Say what the run changed that a commit should carry."""
    status = git(root, "status", "--porcelain", "-z", "--no-renames")
    if status is None:
        return []
    changed = [entry[3:] for entry in status.split("\0") if entry]
    results = [path for path in changed if path.split("/")[0] in _RESULTS]
    notes = []
    if "data.dvc" in changed:
        notes.append("The pictures in data/ are others than those committed: commit data.dvc.")
    if not results:
        return notes
    lock = (root / "dvc.lock").read_text(encoding="utf-8") if (root / "dvc.lock").exists() else ""
    if (stage := _broken_off(root, lock, results) or _left_behind(lock)) is not None:
        notes.append(
            f"These figures are of an earlier run: the last one did not get past {stage}.\nTo go on: dvc repro"
        )
        return notes
    committed = git(root, "show", "HEAD:./dvc.lock")
    if committed is not None and _inputs(committed) == _inputs(lock):
        notes.append(
            f"{', '.join(results[:4])} differ from those committed, although they come from the same code, params and\n"
            "pictures: another kind of processor, or another version of a library, rounds differently.\n"
            "To take them back:\n"
            "  git checkout dvc.lock metrics plots && dvc checkout"
        )
    else:
        reviewed = " review.csv" if "review.csv" in changed else ""
        notes.append(
            "The results are new. To keep them: "
            f"git add data.dvc dvc.lock params.yaml{reviewed} metrics plots && git commit"
        )
    return notes


def _broken_off(root: Path, lock: str, changed: Sequence[str]) -> str | None:
    """Return the first stage that wrote one of the changed files and then failed, so that ``dvc.lock`` knows others."""
    stages = (yaml.safe_load(lock) or {}).get("stages", {})
    for name, stage in stages.items():
        for out in stage.get("outs", []):
            path = root / out["path"]
            if out["path"] in changed and path.is_file():
                digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()  # as DVC does
                if digest != out.get("md5"):
                    return str(name)
    return None


def _left_behind(lock: str) -> str | None:
    """Return the first stage of a ``dvc.lock`` that last ran on other outputs than those of the stages before it."""
    stages = (yaml.safe_load(lock) or {}).get("stages", {})
    made = {out["path"]: out.get("md5") for stage in stages.values() for out in stage.get("outs", [])}
    for name, stage in stages.items():
        if any(made.get(dep["path"], dep.get("md5")) != dep.get("md5") for dep in stage.get("deps", [])):
            return str(name)
    return None


def _inputs(lock: str) -> dict[str, Any]:
    """Return all that the stages of a ``dvc.lock`` follow from: code, pictures that people brought, and params."""
    stages = (yaml.safe_load(lock) or {}).get("stages", {})
    return {
        name: (
            {dep["path"]: dep.get("md5") for dep in stage.get("deps", []) if not dep["path"].startswith("artifacts/")},
            stage.get("params"),
        )
        for name, stage in stages.items()
    }
