"""Label issues, ranked by confident learning.

A label is doubtful if a model that was not trained on the image gives another class at least the
mean probability of that class over the images labelled with it. Thresholds per class allow for a
model that is underconfident in one class and overconfident in another.

Source: Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels",
JAIR 70, 2021, sections 3.1 (the confident joint) and 3.2 (ranking by the normalised margin).
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pixmill.core.manifest import table_schema
from pixmill.core.params import BackboneParams, TrainParams
from pixmill.core.process.progress import track
from pixmill.images.parts import Part, PartName
from pixmill.metrics.arrays import Floats, Ints
from pixmill.models.layers import AUTO, TOP, feature_layers
from pixmill.models.lite import TOP_WIDTH
from pixmill.models.scaling import BLOCK_ROWS, Features, Scaling, principal_directions

LABELS = table_schema("id! label! suggested score!:float32 rank!:int32 split!")
"""One row per image of any split, sorted by ``id``.

``suggested`` is the more likely class, null if the label looks right; ``score`` is the label score
from 0 (surely wrong) to 1; ``rank`` starts at 1, the most likely label issue.
"""

MIN_GROUPS = 10
"""Minimum groups of a class to judge its labels: each fold must leave enough to learn it."""

MIN_CONFIRMED = 0.5
"""Minimum share of labels that the model must confirm for suggestions: most labels of a class
are right and learnable, so below it nearly all suggestions are errors of the model.
"""

_FOLDS = 5
_MAX_FITTED = 20_000
"""Maximum training images per model; more take minutes and find hardly more label issues."""

_COMPONENTS = 128
"""Principal components kept: ten times as fast as all features and as good at finding label issues.
"""

_INVERSE_REGULARIZATION = 0.001
"""Strong regularisation, so that wrong labels are not memorised; tuned on swapped labels."""

_MAX_ITERATIONS = 200

_MIN_INPUT_SIZE = 112
_MAX_INPUT_SIZE = 224
"""Input size of the backbone in pixels: a smaller one hardly separates classes."""


def find_label_issues(
    parts: Sequence[Part], labels: Sequence[str], features: Features, *, threads: int
) -> pd.DataFrame:
    """Return the columns of :data:`LABELS`, one row per image, sorted by id.

    Classes with fewer than :data:`MIN_GROUPS` groups are left out. The table is empty if fewer than
    two classes remain.

    Args:
        parts: The packed splits; all are searched.
        labels: The classes.
        features: Backbone features, shape (images, features), in the order of splits and rows.
        threads: Number of threads; it affects the result.
    """
    rows = pd.concat([part.rows.assign(split=part.name) for part in parts], ignore_index=True)
    targets = np.concatenate([part.targets for part in parts]).astype(np.int64)
    sizes = rows.groupby(targets)["cluster"].nunique()
    known = [place for place in range(len(labels)) if sizes.get(place, 0) >= MIN_GROUPS]
    if len(known) < 2:
        return pd.DataFrame(
            {field.name: pd.Series(dtype=field.type.to_pandas_dtype()) for field in LABELS}
        )
    chosen = np.flatnonzero(np.isin(targets, known))
    rows = rows.iloc[chosen].reset_index(drop=True)
    targets = np.searchsorted(known, targets[chosen])
    groups = rows["cluster"].tolist()
    seen = features if len(chosen) == len(features) else features[chosen]
    probabilities = held_out_probabilities(seen, targets, groups, len(known), threads=threads)
    return rank_labels(rows, targets, probabilities, [labels[place] for place in known])


def first_issues(
    ranking: pd.DataFrame, parts: Mapping[PartName, Part], *, limit: int
) -> list[dict[str, Any]]:
    """Return the likeliest label issues by rank: :data:`LABELS`, and ``pixels``, the model's input.

    Args:
        ranking: Result of :func:`find_label_issues`.
        parts: The packed splits by name.
        limit: Maximum number to return.
    """
    return with_pixels(ranking[ranking["suggested"].notna()].sort_values("rank").head(limit), parts)


def with_pixels(rows: pd.DataFrame, parts: Mapping[PartName, Part]) -> list[dict[str, Any]]:
    """Return rows as records, with ``pixels``, the model's input.

    Args:
        rows: Columns ``id`` and ``split``, and others.
        parts: The packed splits by name.
    """
    places = {
        name: {image: row for row, image in enumerate(part.rows["id"])}
        for name, part in parts.items()
    }
    records: list[dict[Any, Any]] = rows.to_dict("records")
    return [
        {**row, "pixels": np.asarray(parts[row["split"]].pixels[places[row["split"]][row["id"]]])}
        for row in records
    ]


def search_backbone(image_size: int) -> BackboneParams:
    """Return the params of the bundled backbone for an image size in pixels."""
    size = int(np.clip(image_size, _MIN_INPUT_SIZE, _MAX_INPUT_SIZE))
    return BackboneParams(image_size=None if size == image_size else size)


def search_part(features: Features | None, train: TrainParams, image_size: int) -> Features | None:
    """Return the features that :func:`search_backbone` would compute, from a classifier's, if any.

    Args:
        features: Features of the classifier, shape (images, features); ``None`` if it has none.
        train: The section ``train``.
        image_size: Image size in pixels.
    """
    both = (train.backbone.networks[-1], search_backbone(image_size))
    distinct = {(each.name, each.weights, each.image_size or image_size) for each in both}
    has_top = feature_layers(train)[-1] in (AUTO, TOP)
    if features is None or len(distinct) > 1 or not has_top:
        return None
    return features[:, -TOP_WIDTH:]


def suggested_classes(targets: Ints, probabilities: Floats) -> Ints:
    """Return the more likely class of each image, -1 if its label looks right.

    Args:
        targets: Class indices, shape (images,).
        probabilities: Out-of-sample probabilities, shape (images, classes).
    """
    classes = probabilities.shape[1]
    sizes = np.bincount(targets, minlength=classes)
    own = probabilities[np.arange(len(targets)), targets]
    # A class without images has an unreachable threshold.
    thresholds = np.where(
        sizes > 0, np.bincount(targets, own, classes) / np.maximum(sizes, 1), np.inf
    )
    reached = np.where(probabilities >= thresholds, probabilities, -1.0)
    best = reached.argmax(axis=1)
    doubtful = (reached.max(axis=1) >= 0) & (best != targets)
    return np.where(doubtful, best, -1).astype(np.int64)


def rank_labels(
    rows: pd.DataFrame,
    targets: Ints,
    probabilities: Floats,
    labels: Sequence[str],
) -> pd.DataFrame:
    """Return the columns of :data:`LABELS`, sorted by id.

    Labels are ranked by their probability relative to that of the best other class, lowest first.

    Args:
        rows: Columns ``id`` and ``split``, one row per image.
        targets: Class indices, shape (images,).
        probabilities: Out-of-sample probabilities, shape (images, classes >= 2).
        labels: The classes.
    """
    names = np.asarray(labels, dtype=object)
    suggested = suggested_classes(targets, probabilities)
    places = np.arange(len(targets))
    others = probabilities.copy()
    others[places, targets] = -1
    margin = probabilities[places, targets] - others.max(axis=1, initial=-1)
    # Rounded before ranking, because rounding errors differ between processors.
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
    # With a score of at least 0.5, no other class is more probable than the label.
    if (table["score"] >= 0.5).mean() < MIN_CONFIRMED:
        table["suggested"] = None
    table["rank"] = np.arange(1, len(table) + 1, dtype=np.int32)
    ranked: pd.DataFrame = table[LABELS.names].sort_values("id", ignore_index=True)
    return ranked


def fold_numbers(targets: Ints, groups: Sequence[str]) -> Ints:
    """Return the fold of each image, from 0, stratified by class and without dividing groups.

    Groups are assigned round-robin, class by class, sorted by name (a digest, so effectively
    random). A group belongs to the class of its first image.

    Args:
        targets: Class indices, shape (images,).
        groups: Group of each image.
    """
    table = pd.DataFrame({"group": np.asarray(groups, dtype=object), "target": np.asarray(targets)})
    first = table.groupby("group", sort=True)["target"].first().sort_values(kind="stable")
    # Continue counting across classes; restarting would make the first folds the largest.
    fold_of = pd.Series(np.arange(len(first)) % _FOLDS, index=first.index)
    return table["group"].map(fold_of).to_numpy(np.int64)


def held_out_probabilities(
    features: Features,
    targets: Ints,
    groups: Sequence[str],
    classes: int,
    *,
    threads: int,
) -> Floats:
    """Return class probabilities of each image by a regression fitted to the other folds.

    Args:
        features: Shape (images, features).
        targets: Class indices, shape (images,); each of ``classes`` occurs in at least
            :data:`MIN_GROUPS` groups.
        groups: Group of each image; members share a fold.
        classes: Number of classes, at least two.
        threads: Number of threads; it affects the result through the summation order.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    folds = fold_numbers(targets, groups)
    probabilities = np.zeros((len(targets), classes))
    with threadpool_limits(threads), warnings.catch_warnings():
        # Scaling and projection use all images; that leaks nothing, because they ignore labels.
        scaling = Scaling.of(features)
        directions = principal_directions(features, scaling, _COMPONENTS)
        vectors = np.concatenate(
            [
                (features[start : start + BLOCK_ROWS] - scaling.mean)
                / scaling.deviation
                @ directions
                for start in range(0, len(features), BLOCK_ROWS)
            ]
        )
        # Three digits of precision are enough.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for fold in track(range(_FOLDS), "Check labels", _FOLDS, unit="fold"):
            fitted = np.flatnonzero(folds != fold)
            held_out = np.flatnonzero(folds == fold)
            fitted = fitted[:: -(-len(fitted) // _MAX_FITTED)]
            model = LogisticRegression(
                C=_INVERSE_REGULARIZATION, max_iter=_MAX_ITERATIONS, tol=1e-3
            )
            model.fit(vectors[fitted], targets[fitted])
            probabilities[np.ix_(held_out, model.classes_)] = model.predict_proba(vectors[held_out])
    return probabilities
