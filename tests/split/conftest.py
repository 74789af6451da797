"""A small project as validate leaves it: pictures, manifest, pairs."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pixmill.manifest import PAIRS, VALIDATED, write_table

CLASSES = ("coat", "dress")
WIDTH, HEIGHT = 24, 16


@dataclass(frozen=True)
class Project:
    root: Path
    manifest: pd.DataFrame

    @property
    def pictures(self) -> Path:
        return self.root / "artifacts" / "scrape"

    @property
    def out(self) -> Path:
        return self.root / "artifacts" / "split"


def table(ids, labels=None, paths=None):
    """Return a manifest as validate writes it, with nothing but what split reads."""
    ids = list(ids)
    frame = pd.DataFrame({"id": ids, "label": labels or [CLASSES[n % 2] for n in range(len(ids))]})
    frame["path"] = paths or [f"images/{identity[:2]}/{identity}.png" for identity in ids]
    for name in VALIDATED.names:
        if name not in frame:
            frame[name] = None
    frame["bytes"], frame["source"], frame["snapshot"], frame["verdict"] = 100, "folder", "2026-11-20", "keep"
    frame["width"], frame["height"] = WIDTH, HEIGHT
    frame = frame.astype(dict.fromkeys(("id", "label", "path", "verdict", "reason"), "string"))
    return frame.sort_values("id", ignore_index=True)[VALIDATED.names]


def pairs_table(pairs):
    return pd.DataFrame({"a": [a for a, _ in pairs], "b": [b for _, b in pairs], "similarity": 0.995}).astype(
        {"a": "string", "b": "string", "similarity": "float64"}
    )


@pytest.fixture
def project(tmp_path):
    """Sixty noisy pictures of two classes."""
    noise = np.random.default_rng(7)
    ids = []
    for _ in range(60):
        buffer = io.BytesIO()
        Image.fromarray(noise.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)).save(buffer, "PNG")
        identity = hashlib.sha256(buffer.getvalue()).hexdigest()
        path = tmp_path / "artifacts" / "scrape" / "images" / identity[:2] / f"{identity}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(buffer.getvalue())
        ids.append(identity)
    manifest = table(ids)
    validated = tmp_path / "artifacts" / "validate"
    write_table(validated / "manifest.parquet", manifest, VALIDATED)
    write_table(validated / "pairs.parquet", pairs_table([]), PAIRS)
    return Project(tmp_path, manifest)
