"""The stage as one function: a scraped manifest in, verdicts, near-duplicates and the gate's outcomes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pixmill.compute import map_batches
from pixmill.manifest import PAIRS, VALIDATED
from pixmill.params import ValidateParams
from pixmill.progress import track
from pixmill.validate.checks import checks
from pixmill.validate.classes import class_table
from pixmill.validate.decisions import Decision, Names, match_decisions
from pixmill.validate.expectations import Outcome, run_checks
from pixmill.validate.measures import Failure, Measures, Picture, measure_batch
from pixmill.validate.neighbours import groups, near_duplicates
from pixmill.validate.verdicts import Case, judge

__all__ = ["Review", "Validation", "validate"]

_MEASURED = ("width", "height", "mode", "pixels", "phash", "brightness", "contrast", "sharpness")


@dataclass(frozen=True)
class Review:
    """Hold what became of people's decisions.

    Args:
        followed: The decisions that were followed, by the id of their picture.
        powerless: Those that could not be followed, each with why.
    """

    followed: Mapping[str, Decision]
    powerless: Sequence[tuple[Decision, str]]


@dataclass(frozen=True)
class Validation:
    """Hold all that the stage found.

    Args:
        manifest: The columns of :data:`pixmill.manifest.VALIDATED`, sorted by id.
        pairs: The columns of :data:`pixmill.manifest.PAIRS`: verified near-duplicates among kept pictures.
        classes: One row a class, see :func:`pixmill.validate.classes.class_table`.
        outcomes: What came of each expectation.
        review: What became of people's decisions.
        sightings: All sightings, for the report.
    """

    manifest: pd.DataFrame
    pairs: pd.DataFrame
    classes: pd.DataFrame
    outcomes: Sequence[Outcome]
    review: Review
    sightings: pd.DataFrame

    def pairs_across_labels(self) -> pd.DataFrame:
        """Return the verified pairs whose pictures carry different labels: kept, but worth a person's look."""
        labels = self.manifest.set_index("id")["label"]
        return self.pairs[self.pairs["a"].map(labels) != self.pairs["b"].map(labels)]


def validate(
    manifest: pd.DataFrame,
    sightings: pd.DataFrame,
    *,
    classes: Sequence[str],
    params: ValidateParams,
    folder: Path,
    decisions: Iterable[Decision] = (),
    workers: int | None = None,
) -> Validation:
    """Look at every picture once, judge it, link near-duplicates, and run the expectations.

    A picture that fails is a row with a reason, never an exception. Per picture some 2 KB are held, nothing else.

    Args:
        manifest: The scraped manifest, with the columns of :data:`pixmill.manifest.SCRAPED`.
        sightings: The candidates behind it, with the columns of :data:`pixmill.manifest.SIGHTINGS`.
        classes: The declared labels.
        params: Limits, thresholds and severities.
        folder: What the paths in the manifest are relative to.
        decisions: People's decisions on single pictures.
        workers: Processes that decode; default: one a processor.

    Raises:
        ReviewError: Two decisions mean the same picture, or one means several.
    """
    rows = manifest.drop_duplicates("id").sort_values("id", ignore_index=True)
    found = _measure(rows, folder, params.max_pixels, workers)
    matched, gone = match_decisions(decisions, _names(rows, sightings))
    labels = [None if pd.isna(label) else str(label) for label in rows["label"]]
    cases = [Case(*case) for case in zip(rows["id"], labels, found, strict=True)]
    verdicts = judge(cases, matched, classes=classes, params=params)

    table = rows.assign(**_columns(found))
    table["label"] = _texts(verdicts.labels[name] for name in rows["id"])
    table["reason"] = _texts(verdicts.reasons.get(name) for name in rows["id"])
    table["verdict"] = ["keep" if missing else "drop" for missing in table["reason"].isna()]
    pairs, table["group"] = _near_duplicates(table, found, params)

    of_classes = class_table(table, classes)
    outcomes = run_checks(
        checks(params, classes),
        {"images": _images(manifest, table), "classes": _plain(of_classes)},
    )
    powerless = [*verdicts.powerless, *((decision, "no such picture is there") for decision in gone)]
    ignored = {decision.line for decision, _ in powerless}
    return Validation(
        manifest=table[VALIDATED.names],
        pairs=pairs,
        classes=of_classes,
        outcomes=outcomes,
        review=Review(
            followed={name: decision for name, decision in matched.items() if decision.line not in ignored},
            powerless=sorted(powerless, key=lambda item: item[0].line),
        ),
        sightings=sightings,
    )


def _measure(rows: pd.DataFrame, folder: Path, max_pixels: int, workers: int | None) -> list[Measures | Failure]:
    pictures = (Picture(name, folder / path, max_pixels) for name, path in zip(rows["id"], rows["path"], strict=True))
    return list(track(map_batches(measure_batch, pictures, workers=workers), "Look at", len(rows)))


def _names(rows: pd.DataFrame, sightings: pd.DataFrame) -> list[Names]:
    seen = sightings.dropna(subset=["id", "image_url"]).groupby("id")["image_url"].agg(tuple).to_dict()
    return [Names(name, (path, *seen.get(name, ()))) for name, path in zip(rows["id"], rows["path"], strict=True)]


def _columns(found: Sequence[Measures | Failure]) -> dict[str, Any]:
    """Return the measured columns, absent where there are no measures."""
    values = {
        name: [getattr(item, name) if isinstance(item, Measures) else None for item in found] for name in _MEASURED
    }
    columns: dict[str, Any] = {name: pd.array(values[name], dtype="Int32") for name in ("width", "height")}
    columns |= {name: np.array(values[name], dtype=np.float32) for name in ("brightness", "contrast", "sharpness")}
    columns |= {name: _texts(values[name]) for name in ("mode", "pixels")}
    columns["phash"] = _texts(None if value is None else f"{value:016x}" for value in values["phash"])
    return columns


def _texts(values: Iterable[str | None]) -> pd.api.extensions.ExtensionArray:
    return pd.array(list(values), dtype=pd.StringDtype("pyarrow", na_value=pd.NA))


def _near_duplicates(
    table: pd.DataFrame, found: Sequence[Measures | Failure], params: ValidateParams
) -> tuple[pd.DataFrame, Any]:
    """Return the verified pairs among kept pictures, and the group of every picture."""
    kept = np.flatnonzero(table["verdict"] == "keep")
    measures = [item for item in (found[place] for place in kept.tolist()) if isinstance(item, Measures)]
    links = near_duplicates(
        np.array([item.phash for item in measures], np.uint64),
        np.frombuffer(b"".join(item.grey for item in measures), np.uint8).reshape(-1, 32, 32),
        distance=params.duplicate_distance,
        similarity=params.duplicate_similarity,
    )
    first = np.arange(len(table))
    first[kept] = kept[groups(len(kept), links.a, links.b)]
    ids = table["id"].to_numpy(dtype=object)
    pairs = pd.DataFrame(
        {"a": ids[kept[links.a]], "b": ids[kept[links.b]], "similarity": links.similarity}, columns=PAIRS.names
    )
    return pairs, _texts(ids[first])


def _images(manifest: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Return one row a row of the scraped manifest, but for what a person dropped: that is settled."""
    images = manifest[["id"]].merge(table[["id", "label", "width", "height", "pixels", "format", "reason"]], on="id")
    images = images[(images["reason"] != "review").fillna(True)]
    return _plain(images.assign(format=images["format"].where(images["pixels"].notna())))


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table without pandas' extension types, of which Great Expectations does not know all."""
    plain: dict[str, pd.Series[Any]] = {}
    for name, column in table.items():
        if isinstance(column.dtype, np.dtype):
            plain[str(name)] = column
        elif pd.api.types.is_numeric_dtype(column):
            plain[str(name)] = pd.Series(column.to_numpy(dtype=np.float64, na_value=np.nan))
        else:
            plain[str(name)] = pd.Series(column.astype(object).where(column.notna(), None).to_numpy(), dtype=object)
    return pd.DataFrame(plain)
