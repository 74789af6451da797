"""Predictions for all images of the splits and for unlabelled images."""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from pixmill.core.errors import DataError
from pixmill.core.manifest import SPLIT, TEXT, read_table, table_schema
from pixmill.core.params import EvaluateParams, TrainParams
from pixmill.core.process.progress import Progress, track
from pixmill.heads import head_of
from pixmill.images.parts import Part, PartName, load_parts
from pixmill.metrics.arrays import Ints
from pixmill.models.classifier import Classifier
from pixmill.models.features import part_features
from pixmill.models.held_out import load_held_out
from pixmill.models.inference import Located, answers_schema, predict_images
from pixmill.models.litert import BACKBONE
from pixmill.models.model_folder import read_description
from pixmill.models.scaling import Features

CALIBRATED = {b"probabilities": b"calibrated"}
"""Metadata of ``predictions.parquet``; a file without it holds uncalibrated probabilities."""

_BATCH = 64
"""Images per batch."""

_COLUMNS = ["id", "split", "source", "short_side", "brightness", "group", "cluster"]
_COLUMNS += ["image_url", "reason"]
"""Columns of the manifest that evaluate needs."""


def predictions_schema(labels: Sequence[str]) -> pa.Schema:
    """Return the columns of ``predictions.parquet``.

    ``predicted`` is the class with the highest probability; of several labels, ``label`` has the
    cells, and ``predicted`` only those that are answered yes. ``p_<class>`` is the calibrated
    probability of a class as returned by :meth:`pixmill.models.Classifier.predict`, ``loss`` the
    cross-entropy in nats, and ``unlike`` marks images unlike the training images (null if unknown).
    ``held_out`` marks images whose prediction is by a model that was not fitted to them: those of
    test; with cross-fitting, those of train and val; otherwise those of val. Files of earlier
    versions have no such column: those of test and val are held out.

    Args:
        labels: The classes in the order of the model's outputs.
    """
    return pa.schema(
        [
            *table_schema("id! split! label! predicted!"),
            *(pa.field(f"p_{label}", pa.float32(), nullable=False) for label in labels),
            *table_schema("loss!:float64 unlike:bool_ held_out!:bool_"),
        ],
        metadata=CALIBRATED,
    )


class Predicted(NamedTuple):
    """A model's predictions for all images of the splits.

    Args:
        trained: ``artifacts/train``.
        train: The section ``train``.
        manifest: Columns of ``artifacts/split/manifest.parquet``.
        classifier: The model.
        parts: The packed splits by name.
        features: Features of all images in the order of splits and rows; ``None`` without a
            separate backbone.
        features_of: Returns the features of a backbone, from its params.
        in_sample: Uncalibrated, all by the delivered model.
        uncalibrated: The same images with held-out predictions where there are any.
        predictions: The latter, calibrated.
        groups: Cluster by image id.
        unlabelled: Result of :func:`predict_unlabelled`; ``None`` without such a folder.
    """

    trained: Path
    train: TrainParams
    manifest: pd.DataFrame
    classifier: Classifier
    parts: dict[PartName, Part]
    features: Features | None
    features_of: Callable[..., Features]
    in_sample: pd.DataFrame
    uncalibrated: pd.DataFrame
    predictions: pd.DataFrame
    groups: "pd.Series[Any]"
    unlabelled: pd.DataFrame | None


def predict_all(
    trained: Path,
    packed: Path,
    params: EvaluateParams,
    *,
    train: TrainParams,
    scratch: Path,
    root: Path,
) -> Predicted:
    """Predict every packed image, held out where possible, and the unlabelled ones.

    For the model ``features``, the head is applied to the features that training has stored.

    Args:
        trained: ``artifacts/train``.
        packed: ``artifacts/split``.
        params: The section ``evaluate``.
        train: The section ``train``.
        scratch: Cache of the features.
        root: Project folder, the base of ``params.unlabelled``.

    Raises:
        DataError: ``evaluate.unlabelled`` is not a folder below ``data/``.
        ManifestError: An artifact is missing or malformed, or classifier and images do not match.
    """
    folder = unlabelled_folder(root, params.unlabelled)
    manifest = read_table(packed / "manifest.parquet", SPLIT, stage="split", columns=_COLUMNS)
    classifier = Classifier.load(trained)
    labels = classifier.labels
    parts = load_parts(
        packed,
        labels,
        targets=classifier.head.targets,
        image_size=classifier.preprocessing.image_size,
    )
    every = list(parts.values())
    features_of = partial(part_features, every, scratch=scratch, threads=train.threads, root=root)
    features = None
    if classifier.backbone:
        features = features_of(train.backbone, file=trained / BACKBONE)
    # The model has seen its training images: held-out predictions replace its own where they exist.
    in_sample = predict_parts(classifier, every, features)
    uncalibrated = hold_out(in_sample, load_held_out(trained, labels), classifier)
    unlabelled = None
    if folder and params.unlabelled:
        files = unlabelled_files(manifest, params.unlabelled)
        unlabelled = predict_unlabelled(trained, folder, files)
    return Predicted(
        trained,
        train,
        manifest,
        classifier,
        parts,
        features,
        features_of,
        in_sample,
        uncalibrated,
        apply_calibration(uncalibrated, classifier),
        pd.concat([part.rows for part in every]).set_index("id")["cluster"],
        unlabelled,
    )


def predict_parts(
    classifier: Classifier, parts: Iterable[Part], features: Features | None = None
) -> pd.DataFrame:
    """Return one row per image of all splits, sorted by id, with uncalibrated probabilities.

    The columns are those of :func:`predictions_schema` without ``held_out``, which :func:`hold_out`
    adds, and ``loss``, which :func:`apply_calibration` adds.

    Args:
        classifier: The model.
        parts: The packed splits.
        features: Backbone features in the order of splits and rows; results are the same as with
            pixels. Default: computed from the pixels.
    """
    labels = classifier.labels
    parts = list(parts)
    tables = []
    first = 0
    with Progress("Predict", sum(map(len, parts))) as progress:
        for part in parts:
            own = None if features is None else features[first : first + len(part)]
            batches = []
            unlike = []
            for start in range(0, len(part), _BATCH):
                rows = slice(start, start + _BATCH)
                if own is None:
                    found, novelty = classifier.score_pixels(part.pixels[rows])
                else:
                    found, novelty = classifier.score_features(own[rows])
                batches.append(found)
                scores = [None] * len(found) if novelty is None else novelty.tolist()
                unlike += [classifier.calibration.is_unlike(score) for score in scores]
                progress.advance(len(found))
            first += len(part)
            given = np.concatenate(batches)
            columns = {
                "id": part.rows["id"],
                "split": part.name,
                "label": part.rows["label"],
                "predicted": classifier.head.predicted(given, labels, classifier.calibration),
                **{f"p_{label}": given[:, place] for place, label in enumerate(labels)},
                "unlike": pd.array(unlike, "boolean"),
            }
            tables.append(pd.DataFrame(columns))
    return pd.concat(tables).sort_values("id", ignore_index=True)


def hold_out(
    predictions: pd.DataFrame, held_out: pd.DataFrame, classifier: Classifier
) -> pd.DataFrame:
    """Return predictions, held-out ones where there are any, with the column ``held_out``.

    Args:
        predictions: Result of :func:`predict_parts`.
        held_out: Result of :func:`pixmill.models.held_out.load_held_out`.
        classifier: The model.
    """
    labels = classifier.labels
    calibration = classifier.calibration
    places = pd.Index(held_out["id"]).get_indexer(pd.Index(predictions["id"]))
    known = places >= 0
    rows = places[known]
    given = probabilities_of(held_out, labels)[rows]
    novelty = held_out["novelty"].to_numpy(np.float64)[rows]
    unlike = [
        calibration.is_unlike(None if math.isnan(value) else value) for value in novelty.tolist()
    ]
    found = predictions.assign(held_out=known | (predictions["split"] == "test").to_numpy())
    found.loc[known, [f"p_{label}" for label in labels]] = given
    found.loc[known, "predicted"] = classifier.head.predicted(given, labels, calibration)
    found.loc[known, "unlike"] = pd.array(unlike, "boolean")
    return found


def apply_calibration(predictions: pd.DataFrame, classifier: Classifier) -> pd.DataFrame:
    """Return predictions with calibrated probabilities and their loss.

    Args:
        predictions: Columns as in :func:`predictions_schema`, with uncalibrated probabilities.
        classifier: The model.

    Raises:
        ValueError: The probabilities of an image do not sum to one.
    """
    # Rounded to the precision of the file: metrics can be recomputed from it and agree on all
    # processors.
    labels = classifier.labels
    uncalibrated = probabilities_of(predictions, labels)
    values = classifier.calibration.apply(uncalibrated).astype(np.float32)
    columns = {f"p_{label}": values[:, place] for place, label in enumerate(labels)}
    targets = classifier.head.targets(predictions["label"], labels)
    return predictions.assign(**columns, loss=classifier.head.losses(targets, values))


def probabilities_of(predictions: pd.DataFrame, labels: Sequence[str]) -> Features:
    """Return the probabilities as an array of shape (images, classes)."""
    return predictions[[f"p_{label}" for label in labels]].to_numpy(np.float32)


def classes_in(columns: Iterable[str]) -> list[str]:
    """Return the classes whose probabilities are among the columns of a table, in their order."""
    return [name.removeprefix("p_") for name in columns if name.startswith("p_")]


def class_indices(names: pd.Series, labels: Sequence[str]) -> Ints:
    """Return the index of each name in the labels."""
    return pd.Index(labels).get_indexer(pd.Index(names)).astype(np.int64)


def held_out(predictions: pd.DataFrame) -> "pd.Series[Any]":
    """Return which images have a prediction by a model that was not fitted to them.

    Args:
        predictions: Columns ``split`` and ``held_out``; in files of earlier versions, which lack
            it, the images of validation and test are held out.
    """
    if "held_out" in predictions:
        return predictions["held_out"].eq(True)
    return predictions["split"].isin(["val", "test"])


def is_cross_fitted(predictions: pd.DataFrame) -> bool:
    """Return whether training images have held-out predictions.

    Args:
        predictions: As for :func:`held_out`.
    """
    return bool((held_out(predictions) & (predictions["split"] == "train")).any())


def unlabelled_folder(root: Path, name: str | None) -> Path | None:
    """Return the folder of unlabelled images; ``None`` if there is none.

    Args:
        root: Project folder.
        name: ``evaluate.unlabelled``: ``None``, or a path such as ``data/unlabelled``.

    Raises:
        DataError: The path is a file or not below ``data/``.
    """
    if name is None:
        return None
    folder = (root / name).resolve()
    data = (root / "data").resolve()
    if (
        (folder.exists() and not folder.is_dir())
        or not folder.is_relative_to(data)
        or folder == data
    ):
        raise DataError(
            f"evaluate.unlabelled: {name!r} is not a folder below data/",
            next="put unlabelled images into data/unlabelled and set evaluate.unlabelled: "
            "data/unlabelled in "
            "params.yaml, or set it to null if there are none",
        )
    return root / name if folder.is_dir() else None


def unlabelled_files(manifest: pd.DataFrame, name: str) -> list[str]:
    """Return the images that validate dropped as unlabelled, as sorted paths within a folder.

    Args:
        manifest: ``image_url`` and ``reason`` of each image.
        name: ``evaluate.unlabelled``; unlabelled images elsewhere are left out.
    """
    prefix = f"{Path(name).as_posix()}/"
    places = manifest.loc[manifest["reason"] == "unlabelled", "image_url"].dropna()
    return sorted(place.removeprefix(prefix) for place in places if place.startswith(prefix))


def predict_unlabelled(
    trained: Path, folder: Path, files: Sequence[str], *, workers: int | None = None
) -> pd.DataFrame:
    """Return predictions for unlabelled images.

    A file that is not an image or takes too much time or memory is a row with a reason.

    Args:
        trained: ``artifacts/train``, or a copy.
        folder: Folder of the images.
        files: Sorted paths within the folder.
        workers: Number of processes; default: as in
            :func:`pixmill.models.inference.predict_images`.

    Returns:
        The columns of :func:`pixmill.models.inference.answers_schema`, one row for each file.

    Raises:
        ManifestError: The classifier cannot be loaded.
    """
    description = read_description(trained)
    labels = description["labels"]
    rows = (Located(folder / name, folder) for name in files)
    answers = predict_images(trained, rows, workers=workers)
    shown = track(zip(files, answers, strict=True), "Predict unlabelled", len(files))
    columns = [answer.as_row(name, labels) for name, answer in shown]
    table = pa.Table.from_pylist(
        columns, answers_schema(labels, head_of(description["task"]).flags(labels))
    )
    frame: pd.DataFrame = table.to_pandas(types_mapper={pa.string(): TEXT}.get)
    return frame
