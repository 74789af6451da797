"""Tables of scrape, validate and evaluate, indexed by row numbers of the manifest."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pixmill.core.errors import ManifestError
from pixmill.core.manifest import PAIRS, SIGHTINGS, VALIDATED, read_table
from pixmill.evaluate.labels import LABELS
from pixmill.evaluate.predictions import classes_in, held_out, predictions_schema
from pixmill.validate.reasons import meaning

_NEXT = "dvc repro validate"

_MAX_PLACES = 3
"""Maximum number of sightings of an image on the page."""


class ReviewTables:
    """Tables of the stages, indexed by image.

    Args:
        manifest: Columns of :data:`pixmill.core.manifest.VALIDATED`, sorted by id.
        pairs: Columns of :data:`pixmill.core.manifest.PAIRS`.
        sightings: Columns of :data:`pixmill.core.manifest.SIGHTINGS`.
        ranking: Columns of :data:`pixmill.evaluate.labels.LABELS`, or of
            :data:`pixmill.evaluate.cells.doubtful.DOUBTFUL`; ``None`` if evaluate searched no label
            issues.
        predictions: Columns of :func:`pixmill.evaluate.predictions.predictions_schema`; ``None`` if
            evaluate has not run.

    Attributes:
        ids: Id of each row.
        labels: Label of each row; ``None`` for an image with conflicting labels.
        pairs: Verified near-duplicates as pairs of rows, shape (n, 2).
        similarity: Similarity of each pair.

    Raises:
        ManifestError: The tables are of different runs.
    """

    def __init__(
        self,
        manifest: pd.DataFrame,
        pairs: pd.DataFrame,
        sightings: pd.DataFrame,
        ranking: pd.DataFrame | None = None,
        predictions: pd.DataFrame | None = None,
    ) -> None:
        self.ranking = ranking
        self.predictions = predictions
        self.manifest = manifest.reset_index(drop=True)
        self.ids: list[str] = manifest["id"].tolist()
        self.labels: list[str | None] = [
            None if pd.isna(label) else str(label) for label in manifest["label"]
        ]
        self._rows = {name: row for row, name in enumerate(self.ids)}
        seen = sightings[sightings["id"].notna()]
        rows = self._rows_of(seen["id"])
        order = np.argsort(rows, kind="stable")
        self._sightings = seen.iloc[order]
        self._starts = np.searchsorted(rows[order], np.arange(len(self.ids) + 1))
        if (rows < 0).any() or (np.diff(self._starts) == 0).any():
            raise ManifestError(
                "artifacts/validate is not from the images in artifacts/scrape", next=_NEXT
            )
        self.pairs = np.stack([self._rows_of(pairs[side]) for side in ("a", "b")], axis=1)
        if (self.pairs < 0).any():
            raise ManifestError(
                "artifacts/validate/pairs.parquet lists images that do not exist", next=_NEXT
            )
        self.similarity: npt.NDArray[np.float64] = pairs["similarity"].to_numpy(np.float64)

    def row(self, name: str) -> int | None:
        """Return the row of an image; ``None`` for an unknown id."""
        return self._rows.get(name)

    def places(self) -> set[str]:
        """Return the files and URLs at which images were found."""
        return set(self._sightings["image_url"].dropna())

    def first(self, column: str) -> dict[str, str]:
        """Return the first value of a column of the sightings by id, of those that have one."""
        seen = self._sightings[["id", column]].dropna().drop_duplicates("id")
        return dict(seen.itertuples(index=False))

    def labels_that_came(self) -> dict[str, tuple[str, ...]]:
        """Return the labels of all sightings by id; several contradict each other."""
        found: dict[str, tuple[str, ...]] = {}
        seen = self._sightings[["id", "label"]].dropna().drop_duplicates()
        for name, label in seen.sort_values("label").itertuples(index=False):
            found[name] = (*found.get(name, ()), label)
        return found

    def sightings(self, row: int) -> list[dict[str, Any]]:
        """Return all sightings of an image in order; missing values are ``None``."""
        seen = self._sightings.iloc[self._starts[row] : self._starts[row + 1]].astype(object)
        return [
            {str(name): value for name, value in item.items()}
            for item in seen.where(seen.notna(), None).to_dict("records")
        ]

    def came_as(self, row: int) -> list[str]:
        """Return the labels that an image came with, sorted."""
        return sorted({item["label"] for item in self.sightings(row) if item["label"]})

    def facts(self, row: int) -> dict[str, Any]:
        """Return the facts about an image for the page."""
        image = self.manifest.iloc[row]
        sightings = self.sightings(row)
        reason = None if pd.isna(image["reason"]) else str(image["reason"])
        return {
            "label": self.labels[row],
            "came_as": self.came_as(row),
            "size": None
            if pd.isna(image["width"])
            else f"{image['width']} \u00d7 {image['height']}",
            "format": None if pd.isna(image["format"]) else str(image["format"]),
            "bytes": int(image["bytes"]),
            "verdict": str(image["verdict"]),
            "reason": None if reason is None else meaning(reason),
            "places": [
                {name: item[name] for name in ("source", "label", "query", "title")}
                | {
                    "url": item["image_url"]
                    or item["page_url"]
                    or f"artifacts/scrape/{image['path']}"
                }
                for item in sightings[:_MAX_PLACES]
            ],
            "more_places": max(0, len(sightings) - _MAX_PLACES),
        }

    @cached_property
    def training(self) -> dict[str, npt.NDArray[np.intp]]:
        """Rows of the kept training images of each label, by the last evaluation."""
        if self.predictions is None:
            return {}
        found = self.still_labelled(self.predictions[self.predictions["split"] == "train"])
        rows = found["row"].to_numpy(np.intp)
        return {str(name): rows[at] for name, at in found.groupby("label").indices.items()}

    def answers(self, tell: Callable[[str, int], str]) -> dict[int, str]:
        """Return what the model says of each image that it was not fitted to.

        Args:
            tell: Returns such a text, from what is predicted and the greatest probability in
                percent.
        """
        if self.predictions is None:
            return {}
        table = self.predictions[held_out(self.predictions)]
        percent = (100 * table.filter(regex="^p_").max(axis=1)).round().astype(int)
        said = map(tell, table["predicted"], percent)
        return dict(zip(self._rows_of(table["id"]).tolist(), said, strict=True))

    def errors(self, is_wrong: Callable[[str, str], bool]) -> list[int]:
        """Return the rows of the wrong predictions of test images, the greatest loss first.

        Args:
            is_wrong: Whether a label and a prediction are one.
        """
        table = self.predictions
        if table is None:
            return []
        found = table[table["split"] == "test"]
        found = found[[*map(is_wrong, found["label"], found["predicted"])]]
        names = found.sort_values("loss", ascending=False)["id"]
        return [row for row in self._rows_of(names).tolist() if row >= 0]

    def still_labelled(self, found: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of a table whose images are still kept under the same label.

        The result has their ``row``.

        Args:
            found: Table of the same or an earlier run, with ``id``, ``label`` and other columns.
        """
        kept = self.manifest.loc[self.manifest["verdict"] == "keep", ["id", "label"]]
        return found.merge(kept.rename_axis("row").reset_index(), on=["id", "label"], how="inner")

    def _rows_of(self, names: pd.Series[str]) -> npt.NDArray[np.intp]:
        """Return the rows of ids; -1 for an unknown id."""
        return np.array([self._rows.get(name, -1) for name in names.tolist()], dtype=np.intp)


def load_tables(root: Path, doubts: pa.Schema = LABELS) -> ReviewTables:
    """Read the tables of a project.

    Args:
        root: Project folder.
        doubts: Columns of the table of label issues.

    Raises:
        ManifestError: A table is missing or of another version, or the tables are of different
            runs.
    """
    scraped = root / "artifacts/scrape"
    validated = root / "artifacts/validate"
    ranking = root / "artifacts/evaluate/labels.parquet"
    predictions = root / "artifacts/evaluate/predictions.parquet"
    manifest = read_table(validated / "manifest.parquet", VALIDATED, stage="validate")
    return ReviewTables(
        manifest,
        read_table(validated / "pairs.parquet", PAIRS, stage="validate"),
        read_table(scraped / "sightings.parquet", SIGHTINGS, stage="scrape"),
        read_table(ranking, doubts, stage="evaluate") if ranking.exists() else None,
        _read_predictions(predictions) if predictions.exists() else None,
    )


def _read_predictions(path: Path) -> pd.DataFrame:
    """Read predictions; their classes may be those of an earlier ``params.yaml``."""
    try:
        names = pq.read_schema(path).names
    except pa.ArrowInvalid:
        names = []  # read_table raises the error.
    return read_table(path, predictions_schema(classes_in(names)), stage="evaluate")
