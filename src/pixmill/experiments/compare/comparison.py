"""Data classes of a comparison of two revisions: the base, and the head that may replace it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from pixmill.metrics.arrays import Ints
from pixmill.metrics.significance import Difference, McNemar
from pixmill.tracking.run_lookup import MlflowRun

Verdict = Literal["better", "worse", "same", "undecided", "not_comparable"]
Result = Literal["pass", "fail", "undecided"]


MEASURES = (
    "short_side",
    "aspect_ratio",
    "brightness",
    "contrast",
    "sharpness",
    "entropy",
    "border",
)
"""Measurements in the manifest that are compared."""

LOWER_IS_BETTER = frozenset({"log_loss", "ece"})
"""Metrics whose best value is the lowest."""


class NotComparableError(Exception):
    """Two revisions cannot be compared; the text is a sentence with the reason."""


@dataclass(frozen=True)
class Revision:
    """A revision, with the files that could be read.

    Args:
        name: Name given by the user, such as ``main``, ``workspace`` or
            ``models:/garments@champion``.
        title: Display name: ``main (1a2b3c4 Train longer)``, ``the workspace``, ``garments version
            3``.
        commit: Git commit; HEAD for the workspace, the commit of the training for a run.
        is_workspace: Whether it is the working tree.
        params: Text of ``params.yaml``.
        resolved: Text of ``params.json`` with all params; only a run has one.
        lock: Stages of ``dvc.lock`` by name; empty without the file.
        metrics: ``plots/evaluate/full.json``; log loss and calibration error are of calibrated
            probabilities.
        predictions: ``artifacts/evaluate/predictions.parquet``.
        manifest: ``artifacts/split/manifest.parquet``: all images, including dropped ones.
        pairs: ``artifacts/validate/pairs.parquet``.
        run: Run in MLflow.
        outdated: Sentence with the reason why the results are older than their inputs, also in
            ``missing``; empty if they are up to date, and for a run.
        missing: Sentences about files that are not available, each with the command that restores
            them.
        faults: Sentences about malformed files.
        read: Returns the bytes of a file by path, such as an image below ``artifacts/scrape``;
            ``None`` if it is not available.
    """

    name: str
    title: str
    commit: str | None
    is_workspace: bool = False
    params: str | None = None
    resolved: str | None = None
    lock: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] | None = None
    predictions: pd.DataFrame | None = None
    manifest: pd.DataFrame | None = None
    pairs: pd.DataFrame | None = None
    run: MlflowRun | None = None
    outdated: str = ""
    missing: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    read: Callable[[str], bytes | None] = field(default=lambda _: None, repr=False)


@dataclass(frozen=True)
class ClassNumbers:
    """Scores of one class, or of one of several labels, on the common images.

    Args:
        support: Images of the class.
        precision: Precision of base and head; ``None`` if the class was never predicted.
        recall: Recall of base and head; ``None`` without images.
        score: F1, or average precision of one of several labels, with the interval of the
            difference; ``None`` if undefined.
        p_adjusted: p-value of this difference, by Holm's method over all classes; ``None`` if
            undefined.
    """

    support: int
    precision: tuple[float | None, float | None]
    recall: tuple[float | None, float | None]
    score: Difference | None
    p_adjusted: float | None


@dataclass(frozen=True)
class SliceNumbers:
    """Accuracy of both models on a slice of the common images.

    Args:
        dimension: ``class``, ``source``, ``given split``, ``colour mode``, or a measurement such as
            ``brightness``.
        name: Value of the dimension, or a range such as ``over 83, up to 120``.
        n: Number of images.
        clusters: Number of groups of near-duplicates.
        accuracy: Accuracy of both, with the interval of the difference.
        p_adjusted: p-value of the difference, by Holm's method over all tested slices; ``None`` if
            there are too few clusters for a test.
    """

    dimension: str
    name: str
    n: int
    clusters: int
    accuracy: Difference
    p_adjusted: float | None


@dataclass(frozen=True)
class Step:
    """One step from the result before to the result now.

    Args:
        what: Change from the step before, such as ``corrected labels``.
        n: Number of images.
        value: Value of the metric.
    """

    what: str
    n: int
    value: float


@dataclass(frozen=True)
class Numbers:
    """Metrics of both models on the common images, scored with the head's labels.

    The common images are the test images of both. If both have cross-fitted predictions, they are
    all images that both held out, and intervals are widened by
    :data:`pixmill.metrics.resampling.CROSS_FITTING_WIDTH`.

    If the classes differ, the common images are those of classes that both models know, and
    macro-F1 is the mean over these classes. An answer that is a class of one model only is an
    error.

    Args:
        labels: Classes in the order of the confusion matrices; those that only one model knows are
            last.
        n: Number of common images.
        clusters: Number of groups of near-duplicates, the units of resampling.
        metric: ``compare.metric``, which decides the verdict.
        margin: ``compare.margin``.
        confidence: Level of the intervals.
        metrics: Metrics by name as in :func:`pixmill.metrics.scores.scores`, of calibrated
            probabilities; and as in :func:`pixmill.metrics.significance.paired_coverage`, if both
            models have a confidence threshold.
        per_class: Scores of each class that both models know.
        steps: Steps from the base's result to the head's: other images, corrected labels, the
            model. Empty if both were measured on the same images with the same labels.
        flips: Images that only one revision predicts correctly: ``id label base_predicted
            head_predicted base_confidence head_confidence base_loss head_loss``, and ``gained`` if
            the head is right. Lost ones come first, then those with the highest loss of the wrong
            prediction. With several labels an image, a row is a cell: ``label`` is a label,
            ``base_predicted`` and ``head_predicted`` are yes or no.
        mcnemar: McNemar's test on these images; like the next three ``None`` with several labels an
            image.
        confusion: Confusion matrices of base and head: images by actual (row) and predicted
            (column) class.
        reliability: Rows of :func:`pixmill.metrics.confidence.reliability` of base and head.
        coverage: Rows of :func:`pixmill.metrics.confidence.coverage_curve` of base and head.
        remark: Sentence with the reason why only one model has a confidence threshold; empty if
            both or neither do.
        slices: Result of :func:`pixmill.experiments.compare.slices.compare_slices`.
        own_classes: Scores of each class that only one model knows, on the images of that revision:
            ``side`` (``head`` for a new class, ``base`` for a removed one), ``name``, ``support``,
            ``precision``, ``recall`` and ``f1``.
        image: Name of a common image: ``test image``, or ``held-out image`` with cross-fitted
            predictions.
        cross_validated: Number of common images that are not test images of both.
        on_test: Difference in the deciding metric on the others; ``None`` if it is undefined, or
            all are test images.
    """

    labels: tuple[str, ...]
    n: int
    clusters: int
    metric: str
    margin: float
    confidence: float
    metrics: Mapping[str, Difference]
    per_class: Mapping[str, ClassNumbers]
    steps: tuple[Step, ...]
    flips: pd.DataFrame
    mcnemar: McNemar | None = None
    confusion: tuple[Ints, Ints] | None = None
    reliability: tuple[pd.DataFrame, pd.DataFrame] | None = None
    coverage: tuple[pd.DataFrame, pd.DataFrame] | None = None
    remark: str = ""
    slices: tuple[SliceNumbers, ...] = ()
    own_classes: tuple[Mapping[str, Any], ...] = ()
    image: str = "test image"
    cross_validated: int = 0
    on_test: Difference | None = None

    @property
    def share(self) -> str:
        """The metric that is a share of right images."""
        return "exact_match" if self.mcnemar is None else "accuracy"

    @property
    def label_metric(self) -> str:
        """The metric of a class, or of one of several labels."""
        return "average_precision" if self.mcnemar is None else "f1"

    @property
    def decisive(self) -> Difference:
        """The difference in the deciding metric."""
        return self.metrics[self.metric]

    @property
    def gain(self) -> tuple[float, float, float]:
        """Its low end, the difference and its high end; above 0, the head is better."""
        row = self.decisive
        if self.metric in LOWER_IS_BETTER:
            return -row.high, -row.difference, -row.low
        return row.low, row.difference, row.high

    def is_changed(self, row: ClassNumbers | SliceNumbers) -> bool:
        """Return whether a class or slice differs significantly, also among all of its kind."""
        return row.p_adjusted is not None and row.p_adjusted <= 1 - self.confidence


@dataclass(frozen=True)
class Drift:
    """The distance between the distributions of a property of both revisions' kept images.

    Args:
        what: Property, such as ``class shares`` or ``brightness``.
        distance: 0 (equal) to 1 (disjoint).
        p: p-value, by Holm's method over all properties.
        drifted: Whether the distance is at least ``compare.drift`` and significant.
    """

    what: str
    distance: float
    p: float
    drifted: bool


@dataclass(frozen=True)
class DataDifference:
    """The images that differ between two revisions.

    Args:
        base_images: Number of kept images of the base.
        head_images: Number of kept images of the head.
        resplit: Sentences about changed params of split, which explain images that changed splits.
        images: One row per image that differs, sorted by change, class and id: ``id change
            base_label head_label base_split head_split base_reason head_reason source image_url
            path``; ``change`` is ``added``, ``labelled`` (had no label), ``removed``,
            ``relabelled``, ``moved`` (to another split), ``dropped`` (was kept) or ``restored``
            (was dropped). Absent values are ``pd.NA``; ``source`` is ``feedback`` for an image from the inbox.
        drift: Distances between the images of both revisions; without manifests only class shares
            and features.
        near_test: New images that nearly duplicate a test image: ``id test_id similarity``.
    """

    base_images: int
    head_images: int
    resplit: tuple[str, ...]
    images: pd.DataFrame
    drift: tuple[Drift, ...]
    near_test: pd.DataFrame


@dataclass(frozen=True)
class Change:
    """A value that differs between the revisions; ``None`` where a revision lacks it.

    Args:
        name: Dotted name of a param, or name of a package.
        base: Value of the base.
        head: Value of the head.
    """

    name: str
    base: Any
    head: Any


@dataclass(frozen=True)
class Changes:
    """Changed params, stages, packages and commits.

    Args:
        params: Effective params that differ, including defaults.
        stages: Stages that ran between the two, in the order of the pipeline, with their changed
            dependencies: ``param train.epochs``, ``code src/pixmill/train``, ``results of split``,
            ``images in data/``.
        packages: Pinned packages that differ.
        commits: Commits of the head that the base lacks, newest first: abbreviated hash and
            subject.
    """

    params: tuple[Change, ...]
    stages: Mapping[str, Sequence[str]]
    packages: tuple[Change, ...]
    commits: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Rule:
    """The outcome of one limit.

    Args:
        name: Param of the limit, such as ``compare.min.accuracy``.
        result: ``undecided`` if the limit is within the confidence interval.
        sentence: Measured value and limit.
        needed: Test images that would probably decide it; ``None`` if it is decided, or no number
            would.
    """

    name: str
    result: Result
    sentence: str
    needed: int | None = None


@dataclass(frozen=True)
class Gate:
    """The outcome of all limits: the worst of ``fail``, ``undecided`` and ``pass``."""

    result: Result
    rules: tuple[Rule, ...]


@dataclass(frozen=True, repr=False)
class Comparison:
    """A comparison of two revisions.

    Args:
        base: Revision to compare with; ``None`` for the first commit.
        head: Revision under review.
        verdict: Verdict on the head.
        sentence: The verdict as a sentence.
        numbers: Metrics; ``None`` if the verdict is ``not_comparable``.
        data: Changed images; ``None`` if a revision has neither manifest nor predictions.
        changes: Changed params, stages, packages and commits; ``None`` without a base.
        gate: Outcome of the limits.
        missing: Sentences about files that could not be read, each with the command that restores
            them.
    """

    base: Revision | None
    head: Revision
    verdict: Verdict
    sentence: str
    numbers: Numbers | None
    data: DataDifference | None
    changes: Changes | None
    gate: Gate
    missing: tuple[str, ...]
