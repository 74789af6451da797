"""What a comparison of two revisions holds: the base, and the head that is to replace it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.metrics.significance import Difference, McNemar
from pixmill.tracking.run_lookup import MlflowRun

Verdict = Literal["better", "worse", "same", "undecided", "not_comparable"]
Result = Literal["pass", "fail", "undecided"]


MEASURES = ("short_side", "aspect_ratio", "brightness", "contrast", "sharpness", "entropy", "border")
"""The manifest's measurements of an image that are compared."""


class NotComparableError(Exception):
    """Raised when two revisions cannot be compared; its text is a sentence that says why."""


@dataclass(frozen=True)
class Revision:
    """One of the two revisions, with what could be read of it; by default nothing.

    Args:
        name: As the person wrote it, such as ``main``, ``workspace`` or ``models:/garments@champion``.
        title: For people: ``main (1a2b3c4 Train longer)``, ``the workspace``, ``garments version 3``.
        commit: Its Git commit; the workspace's is HEAD, a run's that of its training.
        is_workspace: Whether it is the working tree.
        params: The text of its ``params.yaml``.
        resolved: That of its ``params.json``, with all params; only a run has one.
        lock: The stages of its ``dvc.lock`` by name; empty if it has none.
        metrics: Its ``plots/evaluate/full.json``; log-loss and calibration error are of calibrated probabilities.
        predictions: Its ``artifacts/evaluate/predictions.parquet``.
        manifest: Its ``artifacts/split/manifest.parquet``: all images, dropped ones too.
        pairs: Its ``artifacts/validate/pairs.parquet``.
        run: Its run in MLflow.
        outdated: Why its results are of an earlier run, as a sentence, which is in ``missing``, too; empty if they are
            not, or it is a run.
        missing: What could not be read, and the command that gets it, one sentence each.
        read: Returns the bytes of a file in its tree by path, such as an image below ``artifacts/scrape``; ``None`` if
            the file cannot be had.
        faults: Returns what of its files is malformed, as far as they were read, one sentence each.
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
    read: Callable[[str], bytes | None] = field(default=lambda _: None, repr=False)
    faults: Callable[[], tuple[str, ...]] = field(default=tuple, repr=False)


@dataclass(frozen=True)
class ClassNumbers:
    """The numbers of one class on the common test images.

    Args:
        support: Test images of the class.
        precision: Of base and head; ``None`` where a class was never predicted.
        recall: Of base and head; ``None`` without images.
        f1: Its F1 with the limits of the difference; ``None`` where it is undefined.
        p_adjusted: p-value of the difference in F1, by Holm's method over all classes; ``None`` where undefined.
    """

    support: int
    precision: tuple[float | None, float | None]
    recall: tuple[float | None, float | None]
    f1: Difference | None
    p_adjusted: float | None


@dataclass(frozen=True)
class SliceNumbers:
    """Both models on some of the common test images that have something in common.

    Args:
        dimension: What that is: ``class``, ``source``, ``given split``, ``colour mode``, or a measurement such as
            ``brightness``.
        name: Its value, or a range such as ``over 83, up to 120``.
        n: The images.
        clusters: Groups of near-duplicates among them.
        accuracy: The accuracy of both, with the limits of the difference.
        p_adjusted: p-value of the difference, by Holm's method over all slices that are tested; ``None`` where it has
            too few clusters to be.
    """

    dimension: str
    name: str
    n: int
    clusters: int
    accuracy: Difference
    p_adjusted: float | None


@dataclass(frozen=True)
class Step:
    """One step on the way from the base's own result to the head's.

    Args:
        what: What is different from the step before, such as ``corrected labels``.
        n: Test images.
        value: The metric.
    """

    what: str
    n: int
    value: float


@dataclass(frozen=True)
class Numbers:
    """The metrics of both models on the common test images, scored with the head's labels.

    Args:
        labels: The classes, in the order of the matrices.
        n: Common test images.
        clusters: Groups of near-duplicates among them, which are what is resampled.
        metric: The one that decides: ``compare.metric``.
        margin: ``compare.margin``.
        confidence: Level of the limits.
        metrics: By name as in :func:`pixmill.metrics.scores.scores`, of calibrated probabilities; and as in
            :func:`pixmill.metrics.significance.paired_coverage`, if both models have a confidence threshold.
        per_class: By class.
        mcnemar: McNemar's test on these images.
        steps: The way from the base's result to the head's: other images, corrected labels, the model. Empty where both
            were measured on the same images with the same labels.
        confusion: The matrices of base and head: images by actual (row) and predicted (column) class.
        flips: Images that only one revision gets right, those now wrong first, each by the loss of the wrong
            prediction, highest first: ``id label base_predicted head_predicted base_confidence head_confidence
            base_loss head_loss``, and ``gained``, whether the head is right.
        reliability: Rows of :func:`pixmill.metrics.confidence.reliability` of base and head.
        coverage: Rows of :func:`pixmill.metrics.confidence.coverage_curve` of base and head.
        remark: Why only one of them could be measured at its confidence threshold; empty if both or neither could.
        slices: As :func:`pixmill.experiments.compare.slices.compare_slices` returns them.
    """

    labels: tuple[str, ...]
    n: int
    clusters: int
    metric: str
    margin: float
    confidence: float
    metrics: Mapping[str, Difference]
    per_class: Mapping[str, ClassNumbers]
    mcnemar: McNemar
    steps: tuple[Step, ...]
    confusion: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
    flips: pd.DataFrame
    reliability: tuple[pd.DataFrame, pd.DataFrame]
    coverage: tuple[pd.DataFrame, pd.DataFrame] | None = None
    remark: str = ""
    slices: tuple[SliceNumbers, ...] = ()

    @property
    def decisive(self) -> Difference:
        """The difference in the metric that decides."""
        return self.metrics[self.metric]


@dataclass(frozen=True)
class Drift:
    """The distance between one distribution of both revisions' kept images.

    Args:
        what: What was measured, such as ``class shares`` or ``brightness``.
        distance: 0 (equal) to 1 (disjoint).
        p: p-value, by Holm's method over all that were measured.
        drifted: Whether the distance is at least ``compare.drift`` and significant.
    """

    what: str
    distance: float
    p: float
    drifted: bool


@dataclass(frozen=True)
class DataDifference:
    """The images that differ.

    Args:
        base_images: Kept images of the base.
        head_images: Kept images of the head.
        resplit: Params of split that changed, as sentences: they explain images that changed splits.
        images: One row per image that differs, sorted by change, class and id: ``id change base_label head_label
            base_split head_split base_reason head_reason source image_url path``; ``change`` is ``added``, ``removed``,
            ``relabelled``, ``moved`` (to another split), ``dropped`` (was kept) or ``restored`` (was dropped). Absent
            values are ``pd.NA``; ``source`` is ``feedback`` for an image from the inbox.
        drift: What was measured of both revisions' images; class shares and features alone without the manifests.
        near_test: New images that nearly duplicate a test image: ``id test_id similarity``.
    """

    base_images: int
    head_images: int
    resplit: tuple[str, ...]
    images: pd.DataFrame
    drift: tuple[Drift, ...]
    near_test: pd.DataFrame

    def count(self, change: str) -> int:
        """Return the number of images with a change, such as ``added``."""
        return int((self.images["change"] == change).sum())


@dataclass(frozen=True)
class Change:
    """A value of both revisions; ``None`` where one has none.

    Args:
        name: Dotted name of a param, or name of a package.
        base: The base's value.
        head: The head's.
    """

    name: str
    base: Any
    head: Any


@dataclass(frozen=True)
class StageChange:
    """A stage whose results differ in their origin.

    Args:
        stage: Its name.
        reasons: Why it ran: ``param train.epochs``, ``code src/pixmill/train``, ``results of split``, ``images in
            data/``.
    """

    stage: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Changes:
    """What differs in params, stages, packages and code.

    Args:
        params: Effective params that differ, defaults included.
        stages: Stages that ran between the two, in the order of the pipeline.
        packages: Pinned packages that differ.
        commits: Commits of the head that the base lacks, newest first: abbreviated hash and subject.
    """

    params: tuple[Change, ...]
    stages: tuple[StageChange, ...]
    packages: tuple[Change, ...]
    commits: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Rule:
    """The outcome of one limit.

    Args:
        name: Its param, such as ``compare.min.accuracy``.
        result: The outcome; ``undecided`` where the limit lies within the confidence interval.
        sentence: What was measured, and the limit.
        needed: Test images that would probably decide it; ``None`` if it is decided, or no number would.
    """

    name: str
    result: Result
    sentence: str
    needed: int | None = None


@dataclass(frozen=True)
class Gate:
    """The outcome of all limits: ``fail`` if one fails, else ``undecided`` if one is, else ``pass``."""

    result: Result
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Comparison:
    """A whole comparison.

    Args:
        base: What is compared with; ``None`` if there is nothing, as in the first commit.
        head: What is reviewed.
        verdict: Whether the head is better.
        sentence: The verdict in a sentence.
        numbers: The metrics; ``None`` if the verdict is ``not_comparable``.
        data: The images; ``None`` if neither manifests nor predictions of both can be had.
        changes: Params, stages, packages, commits; ``None`` without a base.
        gate: The outcome of the limits.
        missing: What could not be read, and the command that gets it, one sentence each.
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
