"""Find the validation images that models share, and each model's predictions of them.

Validation images are those that a model was not fitted to, without the test split: with
cross-fitting the images of training, too.
"""

import functools
from collections import Counter
from collections.abc import Sequence

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
    found: dict[str, tuple[tuple[str, ...], pd.Index, SplitAnswers]] = {}
    reasons: dict[str, str] = {}
    for model in sorted(models, key=lambda each: each.in_use):
        try:
            found[model.revision] = _validation(model)
        except NotComparableError as reason:
            reasons[model.revision] = str(reason).removeprefix("Not comparable: ").removesuffix(".")
    keys = {name: (labels, hash(tuple(ids))) for name, (labels, ids, _) in found.items()}
    mine = [key for key in keys.values() if set(key[0]) == {*classes}] or [*keys.values()]
    placed: dict[str, SplitAnswers] = {}
    if mine:
        usual = Counter(mine).most_common(1)[0][0]
        labels, shared, _ = next(found[name] for name, key in keys.items() if key == usual)
        for name, (own, _, answers) in found.items():
            absent = int((~shared.isin(answers.ids)).sum())
            if own != labels:
                alone = describe_classes(("it has", own), ("the others have", labels))
                reasons[name] = f"its classes differ: {alone}"
            elif absent:
                of_all = count(len(shared), "image")
                reasons[name] = (
                    f"its validation split lacks {absent:,} of the {of_all} that most have"
                )
            else:
                placed[name] = answers
    if not placed:
        return {}, reasons, ""
    ids = functools.reduce(
        pd.Index.intersection, (answers.ids for answers in placed.values())
    ).sort_values()
    most = max(len(answers.ids) for answers in placed.values())
    limiting = [
        each.name
        for each in models
        if each.revision in placed and not is_cross_fitted(each.predictions)
    ]
    note = ""
    if limiting and most > len(ids):
        note = (
            f"Without cross-validated predictions: {first_of(limiting, 3)}. So "
            f"{count(len(ids), 'validation image')} "
            f"count, and not up to {most:,}."
        )
    return {name: answers.at(ids) for name, answers in placed.items()}, reasons, note


def _validation(model: TrainedModel) -> tuple[tuple[str, ...], pd.Index, SplitAnswers]:
    """Return a model's sorted classes, the ids of its validation split, and its predictions of validation images."""
    if model.fault:
        raise NotComparableError(model.fault)
    revision = as_revision(model)
    labels = tuple(sorted(classes_of(revision)))
    answers = split_answers(revision, labels, "validation")
    ids = pd.Index(model.predictions.loc[model.predictions["split"] == "val", "id"]).sort_values()
    if ids.empty:
        raise NotComparableError("its predictions hold no validation images")
    return labels, ids, answers
