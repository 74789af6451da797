"""The stage's one function: a trained classifier and packed pictures in, what it is worth out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.evaluate.baseline import histogram_figures
from pixmill.evaluate.calibration import Calibration, calibrate
from pixmill.evaluate.figures import (
    confusion_figure,
    coverage_figure,
    mistakes_figure,
    reliability_figure,
    sheet_figure,
)
from pixmill.evaluate.gradcam import attention, heated
from pixmill.evaluate.labels_search import find_label_errors, first_doubts, seen_features
from pixmill.evaluate.measure import measure
from pixmill.evaluate.mistakes import surest_mistakes
from pixmill.evaluate.page import Findings, render_report
from pixmill.evaluate.predictions import class_indices, predict_parts, probabilities_of
from pixmill.evaluate.sheets import Shown, least_sure, mistakes_by_pair, random_predictions, typical_pictures
from pixmill.evaluate.slices import COLUMNS, slice_figures, slices, worse_slices
from pixmill.evaluate.unlabelled import Preprocessing, predict_unlabelled, unlabelled_folder
from pixmill.manifest import SPLIT, read_table
from pixmill.metrics import confusion_counts
from pixmill.models import fix_threads, load_classifier
from pixmill.params import EvaluateParams
from pixmill.parts import load_parts

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

    from pixmill.evaluate.mistakes import Mistake
    from pixmill.parts import Part, PartName

__all__ = ["Evaluation", "evaluate"]

_SAMPLE, _UNSURE, _TYPICAL = 24, 12, 100
"""Pictures on each of the sheets, at most; of the typical ones there is one a class."""

_HELD = 500
"""Mistakes whose pixels are held, the surest: those to show of each pair of classes are taken from them."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Evaluation:
    """Hold all that is known of a classifier once it has seen every picture.

    Args:
        labels: The classes in the order of the model's outputs.
        predictions: One row a picture, sorted by id; columns as in
            :func:`pixmill.evaluate.predictions.predictions_schema`.
        ranking: How well each label fits, columns of :data:`pixmill.evaluate.labels.LABELS`; ``None`` where wrong
            labels were not looked for.
        unlabelled: What the model says of pictures without labels; ``None`` where there are none.
        metrics: The content of ``metrics/evaluate.json``.
        plots: The data of plots, by file name without its ending.
        page: The report as HTML.
        figures: Pictures for tools that show pictures only, by file name.
    """

    labels: tuple[str, ...]
    predictions: pd.DataFrame
    ranking: pd.DataFrame | None
    unlabelled: pd.DataFrame | None
    metrics: dict[str, Any]
    plots: dict[str, pd.DataFrame]
    page: str
    figures: dict[str, Figure]


def evaluate(
    classifier: Path, packed: Path, params: EvaluateParams, *, threads: int, scratch: Path, root: Path
) -> Evaluation:
    """Predict every packed picture and say how good that is.

    Args:
        classifier: ``artifacts/train``.
        packed: ``artifacts/split``.
        params: What the report shows and how sure its intervals are.
        threads: Threads that compute; part of the result, since another number rounds differently.
        scratch: Where features are kept that the search for wrong labels rests on.
        root: The project's folder, which ``params.unlabelled`` is relative to.

    Raises:
        DataError: There is no folder of unlabelled pictures, although params name one.
        ManifestError: An artifact is missing or malformed, or the two do not belong together.
    """
    folder = None if params.unlabelled is None else unlabelled_folder(root, params.unlabelled)
    fix_threads(threads)
    model, labels = load_classifier(classifier)
    parts = load_parts(packed, labels, side=model.input_shape[1])
    predictions = predict_parts(model.predict_on_batch, parts.values(), labels)
    groups = pd.concat([part.rows for part in parts.values()]).set_index("id")["cluster"]
    drawn: dict[str, Any] = {"draws": params.draws, "confidence": params.confidence}
    calibration = calibrate(predictions, groups, labels, target=params.target_accuracy, **drawn)
    cut = slices(predictions, _kept(packed), **drawn)
    metrics = {
        **measure(predictions, groups, labels, top_k=params.top_k, **drawn),
        **calibration.metrics,
        "slices": slice_figures(cut),
    }
    metrics["baseline"] |= histogram_figures(parts["train"], parts["test"])
    unlabelled = None
    if folder is not None:
        unlabelled = predict_unlabelled(
            model.predict_on_batch,
            folder,
            labels,
            Preprocessing.of(classifier),
            temperature=metrics["temperature"],
            threshold=metrics["threshold"],
        )
    ranking = _ranking(parts, labels, params, threads=threads, scratch=scratch)

    tested, part = predictions[predictions["split"] == "test"], parts["test"]
    actual, predicted = (class_indices(tested[column], labels) for column in ("label", "predicted"))
    given = probabilities_of(tested, labels)
    matrix = confusion_counts(actual, predicted, len(labels))
    mistakes = surest_mistakes(tested, part, limit=max(params.mistakes, _HELD))
    typical = typical_pictures(tested, part, labels, limit=_TYPICAL if params.grad_cam else 0)
    found = Findings(
        metrics=metrics,
        labels=labels,
        matrix=matrix,
        interval_confidence=params.confidence,
        mean_confidence=float(np.mean(given.max(axis=1))),
        target_accuracy=params.target_accuracy,
        mistakes=mistakes[: params.mistakes],
        typical=typical,
        looked=_looked(model, [*mistakes[: min(params.grad_cam, params.mistakes)], *typical], labels),
        pairs=mistakes_by_pair(mistakes, matrix, labels),
        unsure=least_sure(tested, part, labels, limit=_UNSURE),
        sample=random_predictions(tested, part, labels, limit=_SAMPLE),
        doubts=None if ranking is None else first_doubts(ranking, parts, limit=params.label_errors),
        doubtful=0 if ranking is None else int(ranking["suggested"].notna().sum()),
        reliability=calibration.reliability[~calibration.reliability["calibrated"]],
        coverage=calibration.coverage[calibration.coverage["split"] == "test"],
        slices=cut,
        worse=worse_slices(cut),
        unlabelled=unlabelled,
    )
    return Evaluation(
        labels=tuple(labels),
        predictions=predictions,
        ranking=ranking,
        unlabelled=unlabelled,
        metrics=metrics,
        plots={
            "confusion": tested[["label", "predicted"]].rename(columns={"label": "actual"}),
            **_curves(calibration),
            "per_class": pd.DataFrame({"label": label, **row} for label, row in metrics["per_class"].items()),
            "slices": cut,
        },
        page=render_report(found),
        figures=_figures(found),
    )


def _curves(calibration: Calibration) -> dict[str, pd.DataFrame]:
    """Return each curve as a table of its own: DVC would join those of one table, and take a gap for nought."""
    bins, curves = calibration.reliability, calibration.coverage
    return {
        "calibration": bins[~bins["calibrated"]].drop(columns="calibrated"),
        "calibrated": bins[bins["calibrated"]].drop(columns="calibrated"),
        "coverage": curves[curves["split"] == "test"].drop(columns="split"),
        "coverage_val": curves[curves["split"] == "val"].drop(columns="split"),
    }


def _ranking(
    parts: Mapping[PartName, Part], labels: Sequence[str], params: EvaluateParams, *, threads: int, scratch: Path
) -> pd.DataFrame | None:
    if not params.label_errors:
        return None
    return find_label_errors(
        list(parts.values()), labels, seen_features(scratch=scratch, threads=threads), threads=threads
    )


def _kept(packed: Path) -> pd.DataFrame:
    """Return what slices need to know of the pictures in the parts."""
    manifest = read_table(packed / "manifest.parquet", SPLIT, stage="split", columns=[*COLUMNS, "split"])
    return manifest[manifest["split"].notna()]


def _looked(model: keras.Model, shown: Sequence[Mistake | Shown], labels: Sequence[str]) -> dict[str, Pixels]:
    """Return where the model looked, by id: what spoke for the class that it named."""
    if not shown:
        return {}
    pixels = np.stack([item.pixels for item in shown])
    heat = attention(model, pixels, [labels.index(item.predicted) for item in shown])
    if heat is None:
        return {}
    return {item.id: heated(item.pixels, warmth) for item, warmth in zip(shown, heat, strict=True)}


def _figures(found: Findings) -> dict[str, Figure]:
    figures = {
        "confusion.png": confusion_figure(found.matrix, found.labels),
        "mistakes.png": mistakes_figure(found.mistakes),
        "calibration.png": reliability_figure(found.reliability),
        "coverage.png": coverage_figure(found.coverage),
        # Not samples.png: in the same run of MLflow that is the sheet of what training saw.
        "predictions.png": sheet_figure(
            [
                (
                    item.pixels,
                    f"{item.predicted} {100 * item.confidence:.0f} %" + ("" if item.right else f"\nis {item.label}"),
                )
                for item in found.sample
            ],
            empty="no picture",
        ),
    }
    looks = [
        (pixels, f"said {item.predicted}\nis {item.label}")
        for item in found.mistakes
        if item.id in found.looked
        for pixels in (item.pixels, found.looked[item.id])
    ]
    if looks:
        figures["grad_cam.png"] = sheet_figure(looks, empty="no mistake")
    if found.doubts:
        figures["labels.png"] = sheet_figure(
            [(item.pixels, f"{item.label}, or\n{item.suggested}?") for item in found.doubts], empty="no doubt"
        )
    return figures
