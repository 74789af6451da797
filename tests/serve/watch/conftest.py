"""A log of a model without a network: rows of random features, and images beside them."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pixmill.core.decisions import HEADER
from pixmill.dataset.prediction_log import SCHEMA
from pixmill.serve.predict.model import Model
from pixmill.serve.watch import watching
from pixmill.serve.watch.watching import Watch, watch
from tests.review.conftest import CLASSES, Project

NOW = datetime.now(UTC)


class Stream:
    """A project, and the log of its model, which is right about nine of ten test images.

    Args:
        root: Project folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "log"
        self.model = Model(Path("model"), "garments", None, "d" * 64, CLASSES, 28, None)
        self.chance = np.random.default_rng(1)
        rows = pa.Table.from_pylist(self.rows(400), SCHEMA)  # with the precision of a log
        self.known = rows.to_pandas().assign(
            split=["val"] * 200 + ["test"] * 200,
            label="coat",
            right=[*[True] * 180, *[False] * 20] * 2,
        )
        self.project = Project(root)
        self.project.add("coat")
        self.project.write()

    def rows(
        self, number: int, days: tuple[float, float] = (0, 0), shift: float = 0, **columns: Any
    ) -> list[dict[str, Any]]:
        """Return rows that came between two ages in days, with features that are shifted."""
        found = []
        for age in np.linspace(*days, number):
            content = self.chance.bytes(40)
            vector = np.clip(self.chance.normal(shift, 40, 8), -127, 127).astype(np.int8)
            found.append(
                {
                    **dict.fromkeys(SCHEMA.names),
                    "time": NOW - timedelta(days=age),
                    "id": hashlib.sha256(content).hexdigest(),
                    "predicted": "coat",
                    "confidence": float(self.chance.uniform(0.5, 1)),
                    "sure": True,
                    "unlike": False,
                    "probabilities": [0.8, 0.1, 0.1],
                    "brightness": 100.0,
                    "sharpness": 50.0,
                    "novelty": float(self.chance.uniform()) + shift / 40,
                    "vector": vector.tobytes(),
                    "content": content,
                    **columns,
                }
            )
        return found

    def log(
        self,
        number: int,
        days: tuple[float, float] = (9, 0),
        shift: float = 0,
        *,
        images: bool = False,
        about: str = "d" * 64,
        **columns: Any,
    ) -> list[str]:
        """Log images, oldest first, and return their ids."""
        rows = self.rows(number, days, shift, **columns)
        for row in rows:
            place = self.folder / f"{row['time']:%Y-%m-%d}" / "images" / f"{row['id']}.png"
            if images:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(row["content"])
            del row["content"]
        first = rows[0]
        file = (
            self.folder
            / f"{first['time']:%Y-%m-%d}"
            / f"{first['time']:%H%M%S.%f}-{first['id'][:4]}.parquet"
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        second = {"digest": "e" * 64} if columns.get("shadow") else None
        identity = json.dumps(
            {"name": "garments", "version": None, "digest": about, "shadow": second}
        )
        table = pa.Table.from_pylist(rows, SCHEMA)
        pq.write_table(table.replace_schema_metadata({b"pixmill": identity.encode()}), file)
        return [row["id"] for row in rows]

    def look(self) -> Watch:
        return watch(self.root, self.folder, self.model)

    def answer(self, *answers: tuple[str, str]) -> None:
        """Write decisions: ids with a label, or ``drop``."""
        lines = [
            f"{name},,drop,,mk," if text == "drop" else f"{name},{text},yes,,mk,"
            for name, text in answers
        ]
        path = self.root / "decisions.csv"
        before = path.read_text() if path.exists() else f"{','.join(HEADER)}\n"
        path.write_text(before + "".join(f"{line}\n" for line in lines))


@pytest.fixture
def stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stream:
    """A project whose model has no network."""
    stream = Stream(tmp_path)
    monkeypatch.setattr(watching, "predict_held_out", lambda *_: stream.known)
    return stream
