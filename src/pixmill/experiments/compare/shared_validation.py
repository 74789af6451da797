"""Find the validation images that models share, and each model's predictions of them.

Validation images are those that a model was not fitted to, without the test split: with
cross-fitting the images of training, too.
"""

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from pixmill.core.words import count, first_of
from pixmill.evaluate.predictions import is_cross_fitted
from pixmill.experiments.compare.answers import (
    SplitAnswers,
    classes_of,
    describe_classes,
    split_answers,
)
from pixmill.experiments.compare.comparison import NotComparableError, Revision
from pixmill.experiments.compare.trained_models import TrainedModel


def as_revision(model: TrainedModel, manifest: pd.DataFrame | None = None) -> Revision:
    """Return a model as a revision.

    Args:
        model: Model with predictions.
        manifest: Manifest of its split, if known.
    """
    return Revision(
        model.revision, model.name, model.commit, predictions=model.predictions, manifest=manifest
    )


@dataclass(frozen=True)
class _Validation:
    """Sorted classes, ids of the validation split, and predictions of validation images."""

    labels: tuple[str, ...]
    ids: pd.Index
    answers: SplitAnswers


def share_validation(
    models: Sequence[TrainedModel], classes: Sequence[str]
) -> tuple[dict[str, SplitAnswers], dict[str, str], str]:
    """Return the models' predictions of the same validation images.

    Models that lack images of the validation split of most models have none. The others are
    measured on all validation images that they share: with cross-fitted predictions of all, the
    images of training as well.

    Args:
        models: Models; of equally frequent splits, that of the first model counts, and the model in
            use last.
        classes: Classes of the project; models with other classes count only if none has these.

    Returns:
        By :attr:`TrainedModel.revision`: predictions of the same images, and the reasons why other
        models have none; and a sentence with the models due to which cross-fitted predictions of
        others do not count, or an empty one.
    """
    found: dict[str, _Validation] = {}
    reasons: dict[str, str] = {}
    for model in sorted(models, key=lambda each: each.in_use):
        try:
            found[model.revision] = _validation(model)
        except NotComparableError as reason:
            reasons[model.revision] = str(reason).removeprefix("Not comparable: ").removesuffix(".")
    if not found:
        return {}, reasons, ""
    usual = _most_frequent(list(found.values()), {*classes})
    placed: dict[str, SplitAnswers] = {}
    for name, own in found.items():
        why = _why_other(own, usual)
        if why is None:
            placed[name] = own.answers
        else:
            reasons[name] = why
    shared = [answers.ids for answers in placed.values()]
    ids = functools.reduce(pd.Index.intersection, shared).sort_values()
    note = _describe_limit(
        [model for model in models if model.revision in placed], len(ids), max(map(len, shared))
    )
    return {name: answers.at(ids) for name, answers in placed.items()}, reasons, note


def _most_frequent(found: Sequence[_Validation], classes: set[str]) -> _Validation:
    """Return the first model with the most frequent split, preferably of these classes."""
    own = [each for each in found if {*each.labels} == classes] or found
    keys = [(each.answers.task, each.labels, hash(tuple(each.ids))) for each in own]
    return own[keys.index(Counter(keys).most_common(1)[0][0])]


def _why_other(own: _Validation, usual: _Validation) -> str | None:
    """Return the reason why a model cannot be measured on the usual images; ``None`` if it can."""
    if own.answers.task != usual.answers.task:
        return f"its task is {own.answers.task}"
    if own.labels != usual.labels:
        alone = describe_classes(("it has", own.labels), ("the others have", usual.labels))
        return f"its classes differ: {alone}"
    absent = int((~usual.ids.isin(own.answers.ids)).sum())
    if absent:
        images = count(len(usual.ids), "image")
        return f"its validation split lacks {absent:,} of the {images} that most have"
    return None


def _describe_limit(models: Sequence[TrainedModel], common: int, most: int) -> str:
    """Return a sentence with the models that limit the common images; empty if none do."""
    limiting = [model.name for model in models if not is_cross_fitted(model.predictions)]
    if not limiting or common == most:
        return ""
    return (
        f"Without cross-validated predictions: {first_of(limiting, 3)}. So "
        f"{count(common, 'validation image')} count, and not up to {most:,}."
    )


def _validation(model: TrainedModel) -> _Validation:
    if model.fault:
        raise NotComparableError(model.fault)
    revision = as_revision(model)
    labels = tuple(sorted(classes_of(revision)))
    answers = split_answers(revision, labels, "validation")
    ids = pd.Index(model.predictions.loc[model.predictions["split"] == "val", "id"]).sort_values()
    if ids.empty:
        raise NotComparableError("its predictions hold no validation images")
    return _Validation(labels, ids, answers)
