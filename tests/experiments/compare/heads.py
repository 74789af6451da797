"""Commits with files of a branch that DVC has in its cache."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from pixmill.evaluate.predictions import CALIBRATED
from tests.experiments.compare.projects import IDS, write
from tests.version_control import git

PARAMS = """\
classes: [coat, dress]
scrape: {snapshot: '2026-11-20'}
validate: {}
split: {salt: a}
train: {epochs: 3}
evaluate: {draws: 100}
compare: {min: {accuracy: 0.5}}
"""

PREDICTIONS = "artifacts/evaluate/predictions.parquet"
METRICS = "plots/evaluate/full.json"


def begin(root: Path) -> None:
    """Commit params that the installed version accepts on ``main``."""
    git(root, "checkout", "-q", "main")
    write(root / "params.yaml", PARAMS)
    git(root, "commit", "-q", "-am", "Say all params")


def commit_head(root: Path, name: str, files: dict[str, bytes | str]) -> None:
    """Commit changed files on a branch of ``main``.

    DVC's cache and ``dvc.lock`` get those in ``artifacts/``.
    """
    git(root, "checkout", "-q", "-B", name, "main")
    lock = yaml.safe_load((root / "dvc.lock").read_text())
    for path, content in files.items():
        if not path.startswith("artifacts/"):
            write(root / path, content)
            continue
        folder = "/".join(path.split("/")[:2])
        entries = [
            entry
            for stage in lock["stages"].values()
            for entry in (*stage["outs"], *stage["deps"])  # as if later stages had run on it
            if entry["path"] == folder
        ]
        listing = json.loads(_object(root, entries[0]["md5"]).read_bytes())
        item = next(item for item in listing if f"{folder}/{item['relpath']}" == path)
        item["md5"] = _store(root, content)
        for entry in entries:
            entry["md5"] = _store(root, json.dumps(listing).encode(), ".dir")
        write(root / "dvc.lock", yaml.safe_dump(lock, sort_keys=False))
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", "Improve everything")
    git(root, "checkout", "-q", "-f", "main")


def _object(root: Path, md5: str) -> Path:
    return root / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]


def _store(root: Path, content: bytes, suffix: str = "") -> str:
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest() + suffix
    path = _object(root, md5)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_bytes(content)
    return md5


def predictions(**over: Any) -> bytes:
    """Return ``predictions.parquet`` of eight images with changed columns; ``None`` removes one."""
    labels = ["coat", "dress"] * 4
    columns = {
        "id": IDS,
        "split": ["test"] * 8,
        "label": labels,
        "predicted": labels,
        "p_coat": [0.5] * 8,
        "p_dress": [0.5] * 8,
        "loss": [0.7] * 8,
        **over,
    }
    table = pa.table({name: column for name, column in columns.items() if column is not None})
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(CALIBRATED), buffer)
    return buffer.getvalue()
