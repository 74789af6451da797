"""Commits with malformed or hostile files, to attack ``pixmill compare``."""

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
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
compare: {min: {accuracy: 0.5, coverage: 0.1, covered_accuracy: 0.1}, min_per_class: {recall: 0.1}}
"""

PREDICTIONS = "artifacts/evaluate/predictions.parquet"
MANIFEST = "artifacts/split/manifest.parquet"
METRICS = "plots/evaluate/full.json"

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
"""Nested aliases: a kilobyte that expands to 400 million values."""


def begin(root: Path) -> None:
    """Commit params that the installed version accepts on ``main``."""
    git(root, "checkout", "-q", "main")
    write(root / "params.yaml", PARAMS)
    git(root, "commit", "-q", "-am", "Say all params")


def commit_head(root: Path, name: str, files: dict[str, Any]) -> None:
    """Commit changed files on a branch of ``main``; files in DVC are added to its cache and to ``dvc.lock``.

    A file is its bytes or text, the target of a link (a path), ``None`` where it is absent, or a
    function that changes the repository. For a folder that DVC holds as one output
    (``artifacts/evaluate``), the bytes are its listing.
    """
    git(root, "checkout", "-q", "-B", name, "main")
    lock = yaml.safe_load((root / "dvc.lock").read_text())
    outs = {out["path"]: out for stage in lock["stages"].values() for out in stage["outs"]}
    for path, content in files.items():
        content = content.encode() if isinstance(content, str) else content
        if path.startswith("artifacts/"):
            folder = "/".join(path.split("/")[:2])
            if path != folder:
                listing = json.loads(_object(root, outs[folder]["md5"]).read_bytes())
                item = next(item for item in listing if f"{folder}/{item['relpath']}" == path)
                item["md5"] = _store(root, content)
                content = json.dumps(listing).encode()
            outs[folder]["md5"] = _store(root, content, ".dir")
            for stage in lock["stages"].values():  # as if the stages after it had run on it
                for dep in stage["deps"]:
                    if dep["path"] == folder:
                        dep["md5"] = outs[folder]["md5"]
            (root / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False))
    for path, content in files.items():
        content = content.encode() if isinstance(content, str) else content
        if callable(content):
            content(root)
        elif not path.startswith("artifacts/"):
            (root / path).unlink(missing_ok=True)
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                (root / path).symlink_to(content)
            elif content is not None:
                (root / path).write_bytes(content)
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


def parquet(columns: dict[str, Any], **options: Any) -> bytes:
    """Return a table as Parquet with the metadata of evaluate."""
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns).replace_schema_metadata(CALIBRATED), buffer, **options)
    return buffer.getvalue()


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
    return parquet({name: column for name, column in columns.items() if column is not None})


def manifest(**over: Any) -> bytes:
    """Return ``manifest.parquet`` of eight images with changed columns; ``None`` removes one."""
    columns = {
        "id": IDS,
        "label": ["coat", "dress"] * 4,
        "split": ["test"] * 8,
        "verdict": ["keep"] * 8,
        "path": [f"{each}.png" for each in IDS],
        **over,
    }
    return parquet({name: column for name, column in columns.items() if column is not None})


def of_rows(rows: int) -> bytes:
    """Return predictions with many equal rows: a few kilobytes of Parquet."""
    names = ("id", "split", "label", "predicted")
    texts = {
        name: pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), ["test"])
        for name in names
    }
    return parquet(
        {**texts, **dict.fromkeys(("p_coat", "p_dress", "loss"), pa.array(np.zeros(rows)))}
    )


def of_long_texts(rows: int, length: int) -> bytes:
    """Return predictions with one long label, stored once in the file's dictionary."""
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), ["x" * length])
    ids = [f"{row:064x}" for row in range(rows)]
    rest = dict.fromkeys(("p_coat", "p_dress", "loss"), np.full(rows, 0.5))
    return parquet({"id": ids, "split": ["test"] * rows, "label": text, "predicted": ids, **rest})


def non_utf8() -> pa.Array:
    """Return eight texts that are not UTF-8."""
    return pa.array([b"\xff\xfe\xfd" + bytes([n]) for n in range(8)], pa.binary()).cast(
        pa.string(), safe=False
    )


def stage(**over: Any) -> Callable[[Path], None]:
    """Return a function that changes the stage evaluate in ``dvc.lock``."""

    def change(root: Path) -> None:
        content = yaml.safe_load((root / "dvc.lock").read_text())
        content["stages"]["evaluate"].update(over)
        (root / "dvc.lock").write_text(yaml.safe_dump(content, sort_keys=False))

    return change


def metrics(**over: Any) -> str:
    """Return ``full.json`` with changed metrics."""
    figures = {"accuracy": 0.75, "accuracy_low": 0.6, "accuracy_high": 0.9, "n": 8}
    return json.dumps(
        {
            **figures,
            "per_class": {"coat": {"recall": 0.5, "recall_low": 0.3, "recall_high": 0.7}},
            **over,
        }
    )


ITEM = {"path": "review.csv", "hash": "md5", "md5": "0" * 32}

MALFORMED: dict[str, dict[str, Any]] = {
    "each file is too large": {
        "params.yaml": f"{PARAMS}bomb:\n  " + BOMB.replace("\n", "\n  "),
        METRICS: '{"a": [' + "[]," * 13_000_000 + "1]}",
        PREDICTIONS: lambda: of_long_texts(40_000, 1_000_000),
    },
    "each file is something else": {
        "params.yaml": Path("/etc/passwd"),
        METRICS: metrics(accuracy=float("nan")),
        PREDICTIONS: b"\0" * (20 << 20),
    },
    "lock: a hash leads out": {
        "": stage(outs=[{"path": "artifacts/evaluate", "md5": "../../../../../etc/passwd"}])
    },
    "lock: a name that steers a terminal": {"dvc.lock": 'stages: {"\\e[2J\\n\\e]0;x\\a": 1}'},
    "folder: items without keys": {"artifacts/evaluate": b"[{}, 1, null]"},
}
"""Malformed heads by fault."""

HARMLESS: dict[str, Any] = {
    "dvc.yaml": "stages: {a: {cmd: x, matrix: {"
    + ", ".join(f"k{n}: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]" for n in range(10))
    + "}}}",
    "pixmill.lock": "libraries:\n  " + BOMB.replace("\n", "\n  "),
    "plots/train/curves.csv": "a," * 1_000_000 + "\n" + "1," * 1_000_000,
    "requirements.txt": "a[\n" * 200_000,
    METRICS: metrics(per_class={"\x1b[31m": {"recall": None}, "@all": {}}),
    PREDICTIONS: predictions(p_coat=[float("nan")] * 8, unlike=pa.nulls(8)),
    MANIFEST: manifest(
        path=["../../secret", "/etc/passwd", "a\0b", "x" * 9999, "", ".", "a\nb", "é"],
        source=[
            "x" * 100_000,
            "\x1b[2J\n",
            "",
            "@all",
            None,
            "a",
            "b",
            "\N{RIGHT-TO-LEFT OVERRIDE}",
        ],
        brightness=[1e300, -1e300, float("inf"), float("nan"), 0, 0, 0, 0],
        short_side=[2**62] * 8,
        mode=pa.array([None] * 8, pa.null()),
    ),
}
"""Unusual heads that can be compared."""
