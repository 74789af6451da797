"""A small project after validate: images, manifest, pairs."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pixmill.core.manifest import PAIRS, VALIDATED, write_table

CLASSES = ("coat", "dress")
WIDTH = 24
HEIGHT = 16


@dataclass(frozen=True)
class Project:
    root: Path
    manifest: pd.DataFrame

    @property
    def images(self) -> Path:
        return self.root / "artifacts" / "scrape"

    @property
    def out(self) -> Path:
        return self.root / "artifacts" / "split"


def table(names, labels=None, **columns):
    """Return a manifest of validate with the columns that split reads."""
    names = list(names)
    frame = pd.DataFrame(
        {"id": names, "label": labels or [CLASSES[n % 2] for n in range(len(names))], **columns}
    )
    frame["path"] = [f"images/{name[:2]}/{name}.png" for name in names]
    frame["pixels"] = columns.get("pixels", names)
    frame["group"] = columns.get("group", names)
    for name in VALIDATED.names:
        if name not in frame:
            frame[name] = None
    frame["bytes"] = 100
    frame["snapshot"] = "2026-11-20"
    frame["verdict"] = "keep"
    frame["source"] = columns.get("source", "folder")
    frame["width"] = WIDTH
    frame["height"] = HEIGHT
    texts = (
        "id",
        "label",
        "path",
        "verdict",
        "reason",
        "given_split",
        "page_url",
        "image_url",
        "source",
        "pixels",
        "group",
    )
    # The types of tables read from disk.
    frame = frame.astype(
        dict.fromkeys((*texts, "group"), pd.StringDtype("pyarrow", na_value=pd.NA))
    )
    return frame.sort_values("id", ignore_index=True)[VALIDATED.names]


def ids(count):
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in range(count)]


def pairs_table(pairs):
    return pd.DataFrame(
        {"a": [a for a, _ in pairs], "b": [b for _, b in pairs], "similarity": 0.995}
    ).astype({"a": "string", "b": "string", "similarity": "float64"})


def write_project(root):
    """Write sixty noisy images of two classes with the tables of validate."""
    noise = np.random.default_rng(7)
    names = []
    for _ in range(60):
        buffer = io.BytesIO()
        Image.fromarray(noise.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)).save(
            buffer, "PNG"
        )
        identity = hashlib.sha256(buffer.getvalue()).hexdigest()
        path = root / "artifacts" / "scrape" / "images" / identity[:2] / f"{identity}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(buffer.getvalue())
        names.append(identity)
    manifest = table(names)
    validated = root / "artifacts" / "validate"
    write_table(validated / "manifest.parquet", manifest, VALIDATED)
    write_table(validated / "pairs.parquet", pairs_table([]), PAIRS)
    return Project(root, manifest)


@pytest.fixture
def project(tmp_path):
    """Return a project with sixty noisy images of two classes."""
    return write_project(tmp_path)
