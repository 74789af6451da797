"""Doubtful labels, by models that were not trained on the image.

Labels are ranked by their probability. Confident learning says how many of them are probably wrong,
and so how many are doubtful: it counts the images to which a model gives another class at least the
mean probability of that class over the images labelled with it. Thresholds per class allow for a
model that is underconfident in one class and overconfident in another. Those images themselves are
fewer of the wrong labels than as many by rank (``benchmarks/doubtful.py``).

Source: Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels",
JAIR 70, 2021, section 3.1 (the confident joint).
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pixmill.core.manifest import table_schema
from pixmill.core.params import BackboneParams, TrainParams
from pixmill.core.process.progress import track
from pixmill.evaluate.predictions import probabilities_of
from pixmill.images.parts import Part, PartName
from pixmill.metrics.arrays import ArrayLike, Floats, Ints
from pixmill.models.layers import AUTO, TOP, feature_layers
from pixmill.models.lite import TOP_WIDTH
from pixmill.models.scaling import BLOCK_ROWS, Features, Scaling, principal_directions

LABELS = table_schema("id! label! suggested score!:float32 rank!:int32 split!")
"""One row per image of any split, sorted by ``id``.

``suggested`` is the more likely class, null if the label is not doubtful; ``score`` is the label
score from 0 (surely wrong) to 1; ``rank`` starts at 1, the most likely label issue.
"""

MIN_GROUPS = 10
"""Minimum groups of a class to judge its labels: each fold must leave enough to learn it."""

MIN_CONFIRMED = 0.5
"""Minimum share of labels that the model must confirm for suggestions: most labels of a class
are right and learnable, so below it nearly all suggestions are errors of the model.
"""

_SURE = 0.95
"""Probability of another class by one of the models from which a label is doubtful in any case."""

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
    parts: Sequence[Part],
    labels: Sequence[str],
    features: Features,
    predictions: pd.DataFrame,
    *,
    threads: int,
) -> pd.DataFrame:
    """Return the columns of :data:`LABELS`, one row per image, sorted by id.

    Classes with fewer than :data:`MIN_GROUPS` groups are left out. The table is empty if fewer than
    two classes remain.

    Args:
        parts: The packed splits; all are searched.
        labels: The classes.
        features: Backbone features, shape (images, features), in the order of splits and rows.
        predictions: Of the project's model, with the columns of
            :func:`pixmill.evaluate.predictions.predictions_schema`; those that are held out count
            as much as the search's own.
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
    names = [labels[place] for place in known]
    own = held_out_probabilities(seen, targets, groups, len(known), threads=threads)
    said = predictions[predictions["held_out"]].set_index("id").reindex(rows["id"])
    return rank_labels(rows, targets, [own, probabilities_of(said, names)], names)


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


def doubtful_labels(targets: Ints, opinions: Sequence[ArrayLike]) -> tuple[Ints, Floats]:
    """Return the more likely class of each image, -1 unless its label is doubtful, and the score.

    The score is the mean probability of the label, divided by the sum of this and that of the best
    other class. Doubtful are the lowest scores below a half, as many as there are probably errors,
    and labels that one of the models surely contradicts.

    Args:
        targets: Class indices, shape (images,).
        opinions: Out-of-sample probabilities of each model, shape (images, classes >= 2); NaN for
            images that it has not judged. The first one has judged all.
    """
    every = np.array(opinions, np.float64)
    mean = np.nanmean(every, axis=0)
    places = np.arange(len(targets))
    own = mean[places, targets]
    errors = _count_errors(targets, mean)
    every[:, places, targets] = -1
    mean[places, targets] = -1
    best = mean.max(axis=1)
    # Rounded before ranking, because rounding errors differ between processors.
    score = np.round(own / np.maximum(own + best, 1e-12), 6)
    lowest = np.sort(score[score < 0.5])[:errors]
    doubtful = np.nanmax(every, axis=(0, 2)).round(6) >= _SURE
    doubtful |= np.isin(score, lowest)
    return np.where(doubtful, mean.argmax(axis=1), -1), score


def _count_errors(targets: Ints, probabilities: Floats) -> int:
    """Return how many labels are probably wrong: those off the diagonal of the confident joint."""
    classes = probabilities.shape[1]
    sizes = np.bincount(targets, minlength=classes)
    own = probabilities[np.arange(len(targets)), targets]
    # A class without images has an unreachable threshold.
    thresholds = np.where(
        sizes > 0, np.bincount(targets, own, classes) / np.maximum(sizes, 1), np.inf
    )
    reached = np.where(probabilities >= thresholds, probabilities, -1.0)
    is_other = (reached.max(axis=1) >= 0) & (reached.argmax(axis=1) != targets)
    return int(is_other.sum())


def rank_labels(
    rows: pd.DataFrame,
    targets: Ints,
    opinions: Sequence[ArrayLike],
    labels: Sequence[str],
) -> pd.DataFrame:
    """Return the columns of :data:`LABELS`, sorted by id.

    Args:
        rows: Columns ``id`` and ``split``, one row per image.
        targets: Class indices, shape (images,).
        opinions: As for :func:`doubtful_labels`.
        labels: The classes.
    """
    suggested, score = doubtful_labels(targets, opinions)
    table = pd.DataFrame(
        {
            "id": rows["id"].to_numpy(object),
            "label": np.asarray(labels, dtype=object)[targets],
            "suggested": [labels[place] if place >= 0 else None for place in suggested.tolist()],
            "score": score.astype(np.float32),
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
