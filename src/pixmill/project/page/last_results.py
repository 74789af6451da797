"""The last evaluated model, kept while a run replaces it.

DVC deletes a stage's outputs before it runs. Until the new ones are there, and after a run that
failed or was killed, the page reads the kept ones.
"""

import tempfile
from pathlib import Path

from pixmill.core.files.writing import link_or_copy
from pixmill.core.repository.stage_inputs import evaluates_trained, workspace_stages
from pixmill.serve.predict.model import TRAINED

_EVALUATION = (
    "metrics/evaluate.json",
    "plots/evaluate/full.json",
    "artifacts/evaluate/predictions.parquet",
)

_KEPT = Path(".pixmill", "open", "last")
"""Holds the kept files by their paths in the project."""


def find_results(root: Path) -> Path:
    """Return the project's folder, or that with the kept results while its own are missing."""
    return root if _is_evaluated(root) else find_kept(root) or root


def find_kept(root: Path) -> Path | None:
    """Return the folder with the kept results; ``None`` if there are none."""
    return root / _KEPT if _is_evaluated(root / _KEPT) else None


def keep_results(root: Path) -> None:
    """Keep the evaluation and its model; call it only while no run writes them.

    Nothing is kept if they do not belong together: a run was killed between the two.

    Args:
        root: Project folder.

    Raises:
        ParamsError: ``dvc.lock`` is malformed.
        OSError: The disk is full, or files changed meanwhile.
    """
    has_model = (root / TRAINED / "labels.json").is_file()
    if not (has_model and _is_evaluated(root) and evaluates_trained(workspace_stages(root))):
        return
    kept = root / _KEPT
    kept.parent.mkdir(parents=True, exist_ok=True)
    trained = [path for path in (root / TRAINED).iterdir() if path.is_file()]
    with tempfile.TemporaryDirectory(prefix="last-", dir=kept.parent) as folder:
        new = Path(folder, "new")
        for path in (*(root / name for name in _EVALUATION), *trained):
            # DVC replaces files rather than changes them.
            link_or_copy(path, new / path.relative_to(root))
        if kept.exists():
            kept.rename(Path(folder, "old"))
        new.rename(kept)


def _is_evaluated(place: Path) -> bool:
    return all((place / name).is_file() for name in _EVALUATION)
