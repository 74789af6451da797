"""Likely label errors, ranked by confident learning.

A label is likely wrong if a model that was not trained on the image gives another class at least the probability that
it gives that class on average over the images labelled with it. These per-class thresholds allow for a model that is
underconfident in one class and overconfident in another.

Source: Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70, 2021,
sections 3.1 (the confident joint) and 3.2 (ranking by the normalised margin).
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from pixmill.core.params import BackboneParams, TrainParams
from pixmill.core.process.progress import track
from pixmill.images.parts import Part, PartName
from pixmill.models.layers import TOP, feature_layers
from pixmill.models.lite0 import TOP_WIDTH
from pixmill.models.scaling import BLOCK_ROWS, Scaling, principal_directions

LABELS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("suggested", pa.string()),
        pa.field("score", pa.float32(), nullable=False),
        pa.field("rank", pa.int32(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
    ]
)
"""One row per image of any split, sorted by ``id``.

``suggested`` is the more likely class, null where the label looks right; ``score`` is the label score, from 0 (surely
wrong) to 1; ``rank`` is its rank among all, from 1, the most likely label error first.
"""

FEWEST = 10
"""Minimum groups of a class to judge its labels: each fold must leave enough images to learn the class from."""

_FOLDS = 5
_FITTED = 20_000
"""Maximum training images per model: more cost minutes and find hardly any more label errors."""

_WIDTH = 128
"""Principal components that are kept: ten times as fast as all features, and as good at finding label errors."""

_INVERSE_REGULARIZATION = 0.001
"""Regularised strongly enough not to memorise the wrong labels; tuned on swapped labels."""

_STEPS = 200

_LEAST, _MOST = 112, 224
"""Side of the backbone's input in pixels: below the minimum it hardly separates classes, and above the maximum, its
native size, it is only slower."""


@dataclass(frozen=True)
class LabelIssue:
    """One image whose label is likely wrong.

    Args:
        id: The image's id.
        label: The label that it has.
        suggested: The more likely class.
        score: The label score, from 0 (surely wrong) to 1.
        split: The image's split.
        pixels: The image as the model saw it, ``uint8`` of shape (image_size, image_size, 3).
    """

    id: str
    label: str
    suggested: str
    score: float
    split: str
    pixels: npt.NDArray[np.uint8]


def find_label_errors(
    parts: Sequence[Part], labels: Sequence[str], features: npt.NDArray[np.float32], *, threads: int
) -> pd.DataFrame:
    """Return the columns of :data:`LABELS`, one row per image, sorted by id.

    Images of a class with fewer than :data:`FEWEST` groups are left out, and all images if fewer than two classes
    remain.

    Args:
        parts: The packed splits; all are searched, since label errors do harm in each.
        labels: The classes' names.
        features: Backbone features, shape (images, features), in the order of splits and rows.
        threads: Number of threads; it affects the result.
    """
    rows = pd.concat([part.rows.assign(split=part.name) for part in parts], ignore_index=True)
    targets = np.concatenate([part.targets for part in parts]).astype(np.int64)
    sizes = rows.groupby(targets)["cluster"].nunique()
    known = [place for place in range(len(labels)) if sizes.get(place, 0) >= FEWEST]
    if len(known) < 2:
        return pd.DataFrame({field.name: pd.Series(dtype=field.type.to_pandas_dtype()) for field in LABELS})
    chosen = np.flatnonzero(np.isin(targets, known))
    rows, targets = rows.iloc[chosen].reset_index(drop=True), np.searchsorted(known, targets[chosen])
    groups = rows["cluster"].tolist()
    seen = features if len(chosen) == len(features) else features[chosen]
    probabilities = held_out_probabilities(seen, targets, groups, len(known), threads=threads)
    return rank_labels(rows, targets, probabilities, [labels[place] for place in known])


def first_doubts(ranking: pd.DataFrame, parts: Mapping[PartName, Part], *, limit: int) -> list[LabelIssue]:
    """Return the most likely label errors with their images, in order of rank.

    Args:
        ranking: As :func:`find_label_errors` returns it.
        parts: The packed splits by name, which hold the pixels.
        limit: Maximum number to return.
    """
    doubtful = ranking[ranking["suggested"].notna()].sort_values("rank").head(limit)
    doubts = []
    for row in doubtful.to_dict("records"):
        part = parts[row["split"]]
        pixels = np.asarray(part.pixels[part.rows["id"].tolist().index(row["id"])])
        doubts.append(LabelIssue(row["id"], row["label"], row["suggested"], float(row["score"]), row["split"], pixels))
    return doubts


def search_backbone(image_size: int) -> BackboneParams:
    """Return the bundled backbone, whose features tell the classes apart, for images of a side in pixels."""
    size = int(np.clip(image_size, _LEAST, _MOST))
    return BackboneParams(image_size=None if size == image_size else size)


def search_part(
    features: npt.NDArray[np.float32], train: TrainParams, image_size: int
) -> npt.NDArray[np.float32] | None:
    """Return those of a classifier's features that :func:`search_backbone` has; ``None`` if they are not among them.

    Args:
        features: The classifier's features, shape (images, features).
        train: The section ``train``.
        image_size: Side of the images in pixels.
    """
    own, wanted = train.backbone, search_backbone(image_size)
    same = (own.name, own.weights, own.image_size or image_size) == (
        wanted.name,
        wanted.weights,
        wanted.image_size or image_size,
    )
    return features[:, -TOP_WIDTH:] if same and feature_layers(train)[-1] == TOP else None


def suggested_classes(
    targets: npt.NDArray[np.integer], probabilities: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    """Return the more likely class of each image, -1 where its label looks right.

    Args:
        targets: Class indices, shape (images,).
        probabilities: Out-of-sample probabilities, shape (images, classes).
    """
    classes = probabilities.shape[1]
    sizes = np.bincount(targets, minlength=classes)
    own = probabilities[np.arange(len(targets)), targets]
    # A class without images has an unreachable threshold.
    thresholds = np.where(sizes > 0, np.bincount(targets, own, classes) / np.maximum(sizes, 1), np.inf)
    reached = np.where(probabilities >= thresholds, probabilities, -1.0)
    best = reached.argmax(axis=1)
    doubtful = (reached.max(axis=1) >= 0) & (best != targets)
    return np.where(doubtful, best, -1).astype(np.int64)


def rank_labels(
    rows: pd.DataFrame,
    targets: npt.NDArray[np.integer],
    probabilities: npt.NDArray[np.float64],
    labels: Sequence[str],
) -> pd.DataFrame:
    """Return the columns of :data:`LABELS`, sorted by id.

    The most likely label error is the label with the lowest probability relative to the best other class.

    Args:
        rows: Columns ``id`` and ``split``, one row per image.
        targets: Class indices, shape (images,).
        probabilities: Out-of-sample probabilities, shape (images, classes >= 2).
        labels: The classes' names.
    """
    names = np.asarray(labels, dtype=object)
    suggested = suggested_classes(targets, probabilities)
    places = np.arange(len(targets))
    others = probabilities.copy()
    others[places, targets] = -1
    margin = probabilities[places, targets] - others.max(axis=1, initial=-1)
    # Rounded before ranking, so that rounding errors do not change the order.
    score = np.round((1 + margin) / 2, 6).astype(np.float32)
    table = pd.DataFrame(
        {
            "id": rows["id"].to_numpy(object),
            "label": names[targets],
            "suggested": [labels[place] if place >= 0 else None for place in suggested.tolist()],
            "score": score,
            "split": rows["split"].to_numpy(object),
        }
    ).sort_values(["score", "id"])
    table["rank"] = np.arange(1, len(table) + 1, dtype=np.int32)
    ranked: pd.DataFrame = table[LABELS.names].sort_values("id", ignore_index=True)
    return ranked


def fold_numbers(targets: npt.NDArray[np.integer], groups: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return each image's fold number, from 0: stratified by class, and groups are never divided.

    Groups are assigned in turn, class by class, in the order of their names, which are digests and so effectively
    random; a group counts for the class of its first image.

    Args:
        targets: Class indices, shape (images,).
        groups: Each image's group.
    """
    table = pd.DataFrame({"group": np.asarray(groups, dtype=object), "target": np.asarray(targets)})
    first = table.groupby("group", sort=True)["target"].first().sort_values(kind="stable")
    # Assignment continues from class to class; starting over in each would make the first folds the largest.
    fold_of = pd.Series(np.arange(len(first)) % _FOLDS, index=first.index)
    return table["group"].map(fold_of).to_numpy(np.int64)


def held_out_probabilities(
    features: npt.NDArray[np.float32],
    targets: npt.NDArray[np.integer],
    groups: Sequence[str],
    classes: int,
    *,
    threads: int,
) -> npt.NDArray[np.float64]:
    """Return each image's probability of each class by a logistic regression fitted to the other folds.

    Args:
        features: Shape (images, features).
        targets: Class indices, shape (images,); each of ``classes`` occurs in at least :data:`FEWEST` groups.
        groups: Each image's group; members share a fold.
        classes: How many classes there are, at least two.
        threads: Number of threads; it affects the result, since summation order depends on it.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    folds = fold_numbers(targets, groups)
    probabilities = np.zeros((len(targets), classes))
    with threadpool_limits(threads), warnings.catch_warnings():
        # Of all images: labels are not used, so that none leaks into the model that judges it.
        scaling = Scaling.of(features)
        directions = principal_directions(features, scaling, _WIDTH)
        vectors = np.concatenate(
            [
                (features[start : start + BLOCK_ROWS] - scaling.mean) / scaling.deviation @ directions
                for start in range(0, len(features), BLOCK_ROWS)
            ]
        )
        # Three digits of precision are enough here.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for fold in track(range(_FOLDS), "Check labels", _FOLDS, unit="fold"):
            fitted, held_out = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            fitted = fitted[:: -(-len(fitted) // _FITTED)]
            model = LogisticRegression(C=_INVERSE_REGULARIZATION, max_iter=_STEPS, tol=1e-3)
            model.fit(vectors[fitted], targets[fitted])
            probabilities[np.ix_(held_out, model.classes_)] = model.predict_proba(vectors[held_out])
    return probabilities
