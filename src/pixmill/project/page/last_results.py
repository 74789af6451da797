"""The last evaluated model, kept while a run replaces it.

DVC deletes a stage's outputs before it runs. Until the new ones are there, and after a run that
failed or was killed, the page reads the kept ones.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from pixmill.core.repository.stage_inputs import first_outdated, workspace_stages

_EVALUATION = (
    "metrics/evaluate.json",
    "plots/evaluate/full.json",
    "artifacts/evaluate/predictions.parquet",
)

TRAINED = Path("artifacts", "train")

_KEPT = Path(".pixmill", "open", "last")
"""Holds one folder per evaluation, named by its content, with the paths of the project."""


def find_results(root: Path) -> Path:
    """Return the project's folder, or that with the kept results while its own are missing."""
    return root if _is_evaluated(root) else find_kept(root) or root


def find_kept(root: Path) -> Path | None:
    """Return the folder with the results kept last; ``None`` if there are none."""
    folders = (root / _KEPT).glob("[!.]*")
    return max(folders, key=lambda each: each.stat().st_mtime_ns, default=None)


def keep_results(root: Path) -> None:
    """Keep the evaluation and its model; call it only while no run writes them.

    Nothing is kept if they do not belong together: a run was killed between the two.

    Args:
        root: Project folder.

    Raises:
        ParamsError: ``dvc.lock`` is malformed.
        OSError: The disk is full, or files changed meanwhile.
    """
    if not _belong_together(root):
        return
    digest = hashlib.sha256()
    for name in _EVALUATION:
        digest.update((root / name).read_bytes())
    kept = root / _KEPT / digest.hexdigest()[:16]
    if kept.exists():
        os.utime(kept)
        return
    kept.parent.mkdir(parents=True, exist_ok=True)
    trained = [path for path in (root / TRAINED).iterdir() if path.is_file()]
    with tempfile.TemporaryDirectory(prefix=".new-", dir=kept.parent) as folder:
        for path in (*(root / name for name in _EVALUATION), *trained):
            _keep(path, Path(folder) / path.relative_to(root))
        Path(folder).rename(kept)
    for old in kept.parent.iterdir():
        if old != kept:
            shutil.rmtree(old, ignore_errors=True)


def _belong_together(root: Path) -> bool:
    has_model = (root / TRAINED / "labels.json").is_file()
    return (
        _is_evaluated(root) and has_model and first_outdated(workspace_stages(root)) != "evaluate"
    )


def _is_evaluated(place: Path) -> bool:
    return all((place / name).is_file() for name in _EVALUATION)


def _keep(source: Path, target: Path) -> None:
    """Link a file, which DVC replaces rather than changes, or copy it to another disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):
        os.link(source, target)
        return
    shutil.copyfile(source, target)
