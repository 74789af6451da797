"""Evaluation of a trained classifier on packed images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pixmill.core.manifest import sample_rows
from pixmill.core.params import EvaluateParams
from pixmill.core.process.progress import track
from pixmill.core.words import first_of, percent
from pixmill.evaluate.gradcam import Pixels, attention, attention_of_features, overlay_heatmap
from pixmill.evaluate.labels import (
    find_label_issues,
    first_issues,
    search_backbone,
    search_part,
    with_pixels,
)
from pixmill.evaluate.measure import (
    histogram_figures,
    measure,
    measure_confidence,
    measure_training,
    slice_figures,
    slices,
)
from pixmill.evaluate.mistakes import (
    Confusion,
    examples_by_cell,
    least_sure,
    nearest_to_errors,
    typical_images,
    with_confidence,
)
from pixmill.evaluate.predictions import Predicted, apply_calibration
from pixmill.evaluate.results import Images, Results
from pixmill.metrics.arrays import Ints
from pixmill.models.classifier import Classifier
from pixmill.models.determinism import fix_threads
from pixmill.models.litert import BACKBONE, load_maps
from pixmill.models.model_folder import load_classifier

_MAX_SAMPLE = 24
_MAX_UNSURE = 12
_MAX_TYPICAL = 100
"""Number of images shown at random, by low confidence, and as typical (one per class)."""


@dataclass(frozen=True)
class Evaluation(Results):
    """The results of evaluating a classifier with one label an image.

    Args:
        matrix: Test images by actual (row) and predicted (column) class.
        mistakes: Errors, most confident first.
        cells: Cells of the confusion matrix, each with its most confident predictions: confusions
            by frequency, then correct predictions by class.
        typical: One correct prediction per class, for the first classes.
        heatmaps: Grad-CAM heatmaps by image id, for some images only.
        unsure: The least confident predictions.
        unlike: Images that the model marks as unlike the training images, least confident first.
        sample: Random images.
        nearest: The most similar training images of each of ``mistakes``, by id; empty without
            ``training``.
    """

    matrix: Ints
    mistakes: Images
    cells: Sequence[tuple[Confusion, Images]]
    typical: Images
    heatmaps: Mapping[str, Pixels]
    unsure: Images
    unlike: Images
    sample: Images
    nearest: Mapping[str, Sequence[Mapping[str, Any]]]

    def summary(self) -> str:
        """Return the test metrics in one line."""
        found = self.metrics
        baselines = found["baseline"]
        low = percent(found["accuracy_low"])
        high = percent(found["accuracy_high"])
        over_all = ""
        if crossed := found["cross_validation"]:
            over_all = (
                f"; {percent(crossed['accuracy'])} ({percent(crossed['accuracy_low'])} to "
                f"{percent(crossed['accuracy_high'])}) on all {crossed['n']:,} by "
                "cross-validation"
            )
        untested = [label for label, row in found["per_class"].items() if not row["support"]]
        without = f" (without {first_of(untested)}: no test images)" if untested else ""
        return (
            f"test accuracy {percent(found['accuracy'])} ({low} to {high}) on "
            f"{found['n']:,} images"
            f"{over_all}; macro-F1 {found['macro_f1']:.3f}{without}, colour baseline "
            f"{percent(baselines['histogram_accuracy'])}, one class "
            f"{percent(baselines['majority_accuracy'])}"
        )


def evaluate(
    opened: Predicted, params: EvaluateParams, shortcuts: Sequence[Mapping[str, Any]] = ()
) -> Evaluation:
    """Measure predictions.

    Args:
        opened: The predictions.
        params: The section ``evaluate``.
        shortcuts: Entries of ``plots/validate/shortcuts.json``, which the metrics repeat; default:
            none.
    """
    from sklearn.metrics import confusion_matrix

    trained = opened.trained
    train = opened.train
    classifier = opened.classifier
    calibration: Any = classifier.calibration
    parts = opened.parts
    features = opened.features
    predictions = opened.predictions
    groups = opened.groups
    labels = classifier.labels
    resampling: dict[str, Any] = {"draws": params.draws, "confidence": params.confidence}
    confidence, curves = measure_confidence(
        predictions, opened.uncalibrated, groups, labels, calibration, **resampling
    )
    kept = opened.manifest[opened.manifest["split"].notna()]
    cut = slices(predictions, kept, **resampling)
    tested = with_confidence(predictions[predictions["split"] == "test"], labels)
    show = partial(with_pixels, parts=parts)
    unlike = tested["unlike"]
    metrics = {
        **measure(predictions, groups, labels, top_k=params.top_k, **resampling),
        "train": measure_training(
            apply_calibration(opened.in_sample, classifier), predictions, labels
        ),
        **confidence,
        "slices": slice_figures(cut),
        "unlike": None if unlike.isna().all() else float(unlike.mean()),
        "shortcuts": list(shortcuts),
    }
    metrics["baseline"] |= histogram_figures(parts["train"], parts["test"])
    ranking = None
    issues: list[dict[str, Any]] = []
    if params.label_errors:
        # Features of the search's own backbone, which the model's may contain.
        image_size = classifier.preprocessing.image_size
        searched = search_part(features, train, image_size)
        if searched is None:
            searched = opened.features_of(search_backbone(image_size))
        ranking = find_label_issues(
            [*parts.values()], labels, searched, predictions, threads=train.threads
        )
        issues = first_issues(ranking, parts, limit=params.label_errors)
    matrix = confusion_matrix(tested["label"], tested["predicted"], labels=labels)
    mistakes = show(tested[~tested["right"]].head(params.mistakes))
    training, nearest = nearest_to_errors(mistakes, parts, features, trained)
    typical = show(typical_images(tested, labels).head(_MAX_TYPICAL if params.grad_cam else 0))
    least = least_sure(tested)
    return Evaluation(
        labels=labels,
        predictions=predictions,
        ranking=ranking,
        unlabelled=opened.unlabelled,
        unlabelled_folder=params.unlabelled,
        metrics=metrics,
        plots={
            "confusion": tested.sort_index()[["label", "predicted"]].rename(
                columns={"label": "actual"}
            ),
            **curves,
            "slices": cut,
        },
        matrix=matrix,
        interval_confidence=params.confidence,
        target_accuracy=calibration.target_accuracy,
        mistakes=mistakes,
        cells=examples_by_cell(tested, parts, matrix, labels),
        typical=typical,
        heatmaps=_heatmaps(
            classifier, trained, [*mistakes[: params.grad_cam], *typical], threads=train.threads
        ),
        unsure=show(least.head(_MAX_UNSURE)),
        unlike=show(least[least["unlike"].fillna(False).astype(bool)].head(_MAX_UNSURE)),
        sample=show(sample_rows(tested, _MAX_SAMPLE)),
        issues=issues,
        training=training,
        nearest=nearest,
    )


def _heatmaps(
    classifier: Classifier, trained: Path, examples: Images, *, threads: int
) -> dict[str, Pixels]:
    """Return Grad-CAM heatmaps for the predicted classes by image id."""
    if not examples:
        return {}
    pixels = np.stack([item["pixels"] for item in examples])
    classes = [classifier.labels.index(item["predicted"]) for item in examples]
    maps = load_maps(trained / BACKBONE) if classifier.backbone else None
    if classifier.backbone and maps and maps(pixels[:1]):
        image_size = pixels.shape[1]
        network = classifier.network
        heat: Any = [
            attention_of_features(
                maps(one), classifier.backbone(one), network, [place], image_size=image_size
            )[0]
            for one, place in track(
                zip(pixels[:, None], classes, strict=True), "Heatmaps", len(classes)
            )
        ]
    else:
        # Gradients need Keras.
        fix_threads(threads)
        heat = attention(load_classifier(trained)[0], pixels, classes)
    if heat is None:
        return {}
    return {
        item["id"]: overlay_heatmap(item["pixels"], warmth)
        for item, warmth in zip(examples, heat, strict=True)
    }
