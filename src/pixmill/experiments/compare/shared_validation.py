"""Find the validation images that most models share, and each model's predictions of them."""

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from pixmill.core.words import count
from pixmill.experiments.compare.comparison import NotComparableError, Revision
from pixmill.experiments.compare.numbers import SplitAnswers, classes_of, describe_classes, split_answers
from pixmill.experiments.compare.trained_models import TrainedModel


def as_revision(model: TrainedModel, manifest: pd.DataFrame | None = None) -> Revision:
    """Return a model as a revision.

    Args:
        model: Model with predictions.
        manifest: Manifest of its split, if known.
    """
    return Revision(model.revision, model.name, model.commit, predictions=model.predictions, manifest=manifest)


def share_validation(
    models: Sequence[TrainedModel], classes: Sequence[str]
) -> tuple[dict[str, SplitAnswers], dict[str, str]]:
    """Return the models' predictions of the validation images that most of them share.

    Args:
        models: Models; of equally frequent sets of images, that of the first model counts, and the model in use last.
        classes: Classes of the project; models with other classes count only if none has these.

    Returns:
        By :attr:`TrainedModel.revision`: predictions of the same images, and the reasons why other models have none.
    """
    found: dict[str, tuple[tuple[str, ...], SplitAnswers]] = {}
    reasons: dict[str, str] = {}
    for model in sorted(models, key=lambda each: each.in_use):
        try:
            found[model.revision] = _validation(model)
        except NotComparableError as reason:
            reasons[model.revision] = str(reason).removeprefix("Not comparable: ").removesuffix(".")
    keys = {name: (labels, hash(tuple(answers.ids))) for name, (labels, answers) in found.items()}
    mine = [key for key in keys.values() if set(key[0]) == {*classes}] or [*keys.values()]
    placed: dict[str, SplitAnswers] = {}
    if mine:
        usual = Counter(mine).most_common(1)[0][0]
        labels, shared = next(found[name] for name, key in keys.items() if key == usual)
        for name, (own, answers) in found.items():
            absent = int((~shared.ids.isin(answers.ids)).sum())
            if own != labels:
                alone = describe_classes(("it has", own), ("the others have", labels))
                reasons[name] = f"its classes differ: {alone}"
            elif absent:
                of_all = count(len(shared.ids), "image")
                reasons[name] = f"its validation split lacks {absent:,} of the {of_all} that most have"
            else:
                placed[name] = answers.at(shared.ids)
    return placed, reasons


def _validation(model: TrainedModel) -> tuple[tuple[str, ...], SplitAnswers]:
    """Return a model's sorted classes, and its predictions of its validation split."""
    if model.fault:
        raise NotComparableError(model.fault)
    revision = as_revision(model)
    labels = tuple(sorted(classes_of(revision)))
    answers = split_answers(revision, labels, "val")
    if answers.ids.empty:
        raise NotComparableError("its predictions hold no validation images")
    return labels, answers
