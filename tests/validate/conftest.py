"""A small scraped folder with its tables."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pixmill.core.decisions import Row
from pixmill.core.expectations import Check, Outcome, Table, run_checks
from pixmill.core.manifest import SCRAPED, SIGHTINGS, sightings_schema, write_table
from pixmill.core.params import ValidateParams
from pixmill.images.formats import EXTENSIONS, sniff
from pixmill.validate.validation import Validation, validate
from tests.images.samples import encoded


def image(seed: int, *, side: int = 64, kind: str = "PNG", **options: Any) -> bytes:
    """Return an image of smooth random shapes without near-duplicates."""
    return encoded(shapes(seed, side=side), kind, **options)


def shapes(seed: int, *, side: int = 64) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(values).resize((side, side), Image.Resampling.BICUBIC)


def blocks(
    seed: int, width: int = 40, height: int = 40, *, least: int = 0, most: int = 256
) -> Image.Image:
    """Return a sharp image of random blocks without near-duplicates."""
    values = np.random.default_rng(seed).integers(
        least, most, (height // 4, width // 4, 3), dtype=np.uint8
    )
    return Image.fromarray(values).resize((width, height), Image.Resampling.NEAREST)


@dataclass
class Scrape:
    """The folder of scrape."""

    folder: Path
    sightings: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self, label: str | None, content: bytes, name: str | None = None, **columns: Any
    ) -> str:
        """Add an image and return its id; ``columns`` are those of its sighting."""
        key = hashlib.sha256(content).hexdigest()
        kind = sniff(content)
        path = self.folder / "images" / key[:2] / f"{key}{EXTENSIONS.get(kind, '')}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        rank = len(self.sightings)
        self.sightings.append(
            {
                "id": key,
                "label": label,
                "source": "folder",
                "query": None,
                "rank": rank,
                "page_url": None,
                "image_url": f"data/{label}/{name or f'{rank:04}.png'}",
                "title": None,
                "price": None,
                "given_split": None,
                "thumbnail": False,
                "reason": None,
            }
            | columns
        )
        return key

    def fill(self, label: str, count: int, *, start: int = 0, **options: Any) -> list[str]:
        """Add typical images."""
        return [self.add(label, image(start + seed, **options)) for seed in range(count)]

    def fill_sharply(self, label: str, count: int, *, start: int = 0, **options: Any) -> list[str]:
        """Add images that pass all checks."""
        return [
            self.add(label, encoded(blocks(start + seed, **options), "PNG"))
            for seed in range(count)
        ]

    def path(self, key: str) -> Path:
        return next(self.folder.glob(f"images/{key[:2]}/{key}*"))

    def tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return manifest and sightings."""
        rows: dict[str, dict[str, Any]] = {}
        for seen in self.sightings:
            path = self.path(seen["id"])
            kind = sniff(path.read_bytes())
            row = rows.setdefault(
                seen["id"],
                {
                    **dict.fromkeys(SCRAPED.names),
                    **{
                        name: seen[name]
                        for name in (
                            "id",
                            "label",
                            "source",
                            "page_url",
                            "image_url",
                            "given_split",
                        )
                    },
                    "path": str(path.relative_to(self.folder)),
                    "bytes": path.stat().st_size,
                    "format": kind if kind in EXTENSIONS else None,
                    "snapshot": "2026-11-20",
                },
            )
            if row["label"] != seen["label"]:
                row["label"] = None if seen["label"] else row["label"]
        manifest = pd.DataFrame([rows[key] for key in sorted(rows)], columns=SCRAPED.names)
        return manifest, pd.DataFrame(self.sightings, columns=SIGHTINGS.names)

    def write(self) -> None:
        """Write both tables into the folder."""
        manifest, sightings = self.tables()
        write_table(self.folder / "manifest.parquet", manifest, SCRAPED)
        schema = sightings_schema(has_unlabelled=bool(sightings["label"].isna().any()))
        write_table(self.folder / "sightings.parquet", sightings, schema)

    def validate(
        self,
        *,
        classes: Sequence[str] = ("coat", "shoe"),
        decisions: Sequence[Row] = (),
        root: Path | None = None,
        gate: Collection[str] | None = (),
        **params: Any,
    ) -> Validation:
        """Validate the images in this process.

        Args:
            classes: The classes.
            decisions: The decisions.
            root: Project folder with plugins.
            gate: Names of the checks to run; ``None``: all, which takes half a second.
            params: The section ``validate``.
        """

        def some(checks: Sequence[Check], tables: Mapping[str, Table]) -> list[Outcome]:
            return run_checks(
                [check for check in checks if gate is None or check.name in gate], tables
            )

        manifest, sightings = self.tables()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("pixmill.validate.validation.run_checks", some)
            return validate(
                manifest,
                sightings,
                classes=classes,
                params=ValidateParams(**params),
                folder=self.folder,
                decisions=decisions,
                root=root,
                workers=0,
            )


def reasons(validation: Validation) -> Mapping[str, str]:
    """Return the reasons of dropped images by id."""
    return dict(validation.manifest.set_index("id")["reason"].dropna())


@pytest.fixture
def scrape(tmp_path: Path) -> Scrape:
    return Scrape(tmp_path / "artifacts" / "scrape")
