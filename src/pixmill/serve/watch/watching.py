"""Read a log against the model's test images: what came, whether it differs, whether it holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from pixmill.core.cells import NO, UNKNOWN, YES
from pixmill.core.errors import DataError
from pixmill.core.words import count, percent
from pixmill.metrics.arrays import Bools, Floats
from pixmill.serve.predict.model import Model
from pixmill.serve.watch.difference import p_values
from pixmill.serve.watch.estimates import (
    Estimate,
    estimate_accuracy,
    estimate_share,
    explain_by_shares,
)
from pixmill.serve.watch.evidence import ALARM, change
from pixmill.serve.watch.record import (
    Judged,
    extend,
    is_recent,
    judge,
    judge_shadow,
    read_answers,
    read_labels,
    read_record,
    save_record,
)
from pixmill.serve.watch.rows import features, predict_held_out, read_rows

_DAYS = 30
"""Number of days that the estimates are about."""

_LEAST = 50
"""Number of new images from which accuracy and shares are estimated."""

_MOST_USUAL = 2000
"""Maximum number of accepted images that later ones are compared with: the latest."""

_MAX_UNLIKE = 0.05
"""Share of images unlike the training images from which the accuracy is not estimated."""


@dataclass(frozen=True)
class Difference:
    """Whether new images differ from the test images, or from those that were accepted.

    Args:
        evidence: After each image that was ranked, as a logarithm.
        times: When each of them came.
        begun: When they probably began to differ; ``None`` without an alarm.
        only_shares: Whether other shares of the classes explain it.
    """

    evidence: Floats
    times: pd.Series
    begun: datetime | None
    only_shares: bool


@dataclass(frozen=True)
class Watch:
    """What a log says about a model at work.

    Args:
        model: The model.
        folder: Folder of the log.
        rows: Its rows in the log with an answer, oldest first; each image once.
        known: Rows of its test images, with ``label`` and whether the answer is ``right``.
        record: What is kept between looks, see :mod:`pixmill.serve.watch.record`.
        others: Number of rows of other models.
        broken: Number of rows without an answer, by reason.
        difference: Whether new images differ.
        root: Project folder.
    """

    model: Model
    folder: Path
    rows: pd.DataFrame
    known: pd.DataFrame
    record: pd.DataFrame
    others: int
    broken: dict[str, int]
    difference: Difference
    root: Path

    @cached_property
    def latest(self) -> pd.DataFrame:
        """Rows of the last 30 days, which the estimates are about."""
        found: pd.DataFrame = self.rows[
            self.rows["time"] > self.rows["time"].max() - timedelta(days=_DAYS)
        ]
        return found

    @cached_property
    def shares(self) -> dict[str, Estimate]:
        """Estimated share of each label; empty if there are too few images.

        It assumes that each class looks as before. So it is withheld with the accuracy, unless an
        alarm says that only the shares differ.
        """
        if self.withheld and not self.difference.only_shares:
            return {}
        return _estimate_shares(self.latest, self.known, self.model)

    @cached_property
    def withheld(self) -> str:
        """Why the accuracy is not estimated; empty if it is."""
        if self.difference.begun is not None or self.record["accepted"].any():
            return "the images differ from the test images"
        if len(self.latest) < _LEAST:
            return f"only {count(len(self.latest), 'image')} came"
        unlike = self.latest["unlike"].fillna(value=False).mean()
        if unlike > _MAX_UNLIKE:
            return f"{percent(unlike, 0)} of the images are unlike the training images"
        return ""

    @cached_property
    def accuracy(self) -> Estimate | None:
        """Estimated accuracy; ``None`` if it is withheld."""
        if self.withheld:
            return None
        known = self.known
        return estimate_accuracy(self.latest["confidence"], known["confidence"], known["right"])

    @cached_property
    def answers(self) -> pd.DataFrame:
        """The images that people were asked about, see :func:`.read_answers`."""
        return read_answers(self.root, self.record, self.model)

    @cached_property
    def recent(self) -> Bools:
        """Which images came since others were accepted; in an alarm, since it began."""
        found = is_recent(self.record)
        if self.difference.begun is not None:
            found &= (self.record["time"] >= self.difference.begun).to_numpy(bool)
        return found

    @cached_property
    def labelled(self) -> Judged:
        """What the answers about random images say; in an alarm, those since it began.

        A fall that was found before stays.
        """
        right = self.known["right"]
        for counts in (is_recent(self.record), self.recent):
            answers = self.answers[counts[self.answers.index]]
            found = judge(answers, self.model, int(right.sum()), len(right))
            if found.is_decided:
                break
        return found

    @cached_property
    def shadow(self) -> Judged | None:
        """What their answers say about the second model; ``None`` if there is none."""
        return judge_shadow(self.record, self.answers, self.model)

    @property
    def is_alarm(self) -> bool:
        """Whether new images differ, or fewer answers than on the test images are right."""
        return self.difference.begun is not None or self.labelled.is_decided


def watch(root: Path, folder: Path, model: Model) -> Watch:
    """Read a log, and keep what was found in its folder, for the next look.

    Args:
        root: Project folder, with the images and splits of the last run.
        folder: Folder of the log.
        model: The model whose rows count.

    Raises:
        DataError: The log has no new image of the model, or a file is malformed.
        ManifestError: The splits are missing.
        StorageError: The folder of the log may not be written.
    """
    every, others = read_rows(folder, model)
    record = read_record(folder, model)
    rows = _choose_new(every, record, root)
    held_out = predict_held_out(root, model)
    held_out = held_out[~held_out["id"].isin(record["id"])]
    if rows["vector"].isna().any() or held_out["vector"].isna().any():
        rows = rows.assign(vector=None)
        held_out = held_out.assign(vector=None)
    record = extend(record, rows)
    record, difference = _compare(record, rows, held_out, model)
    save_record(folder, model, record)
    return Watch(
        model,
        folder,
        rows,
        held_out[held_out["split"] == "test"],
        record,
        others,
        {str(name): int(n) for name, n in every["reason"].value_counts().items()},
        difference,
        root,
    )


def accept(found: Watch) -> Watch:
    """Take the latest images as usual, in an alarm those since it began, and look again.

    Later images are compared with them.

    Raises:
        DataError: The accuracy fell, or there are too few images.
        StorageError: The folder of the log may not be written.
    """
    if found.labelled.is_decided:
        raise DataError(
            "the accuracy fell on these images, so they cannot count as usual",
            next=f"pixmill watch {found.folder} --doubtful 200",
        )
    record = found.record
    there = found.recent & record["id"].isin(found.rows["id"]).to_numpy(bool)
    usual = record[there][-_MOST_USUAL:]
    if len(usual) < 2 * _LEAST:
        raise DataError(
            f"only {count(len(usual), 'image')} came, but {2 * _LEAST} are needed to compare later "
            "ones with",
            next="repeat it once they came",
        )
    kept = features(found.rows.set_index("id").loc[usual["id"]])
    record = record.assign(
        accepted=record.index.isin(usual.index),
        features=pd.Series([*kept], usual.index).reindex(record.index),
    )
    save_record(found.folder, found.model, record)
    return watch(found.root, found.folder, found.model)


def _compare(
    record: pd.DataFrame, rows: pd.DataFrame, held_out: pd.DataFrame, model: Model
) -> tuple[pd.DataFrame, Difference]:
    """Return the record with the p-values of new images, and whether they differ."""
    by_id = rows.set_index("id")
    there = record[is_recent(record) & record["id"].isin(by_id.index)]  # deleted days are not
    is_test = held_out["split"] == "test"
    old = features(held_out[~is_test])
    test = features(held_out[is_test])
    new = features(by_id.loc[there["id"]]) if len(there) else old[:0]
    usual = record[record["accepted"]]
    if len(usual):
        kept = np.vstack([*usual["features"]])
        old = kept[usual["p"].isna()]
        test = kept[usual["p"].notna()]
    found = p_values(old, test, new, there["id"], there["p"].to_numpy())
    record = record.copy()
    record.loc[there.index, "p"] = found
    ranked = record[record["p"].notna() & is_recent(record)]
    outcome = change(ranked["p"].to_numpy())
    begun = None
    only_shares = False
    if (outcome.evidence >= ALARM).any():
        begun = ranked["time"].iloc[outcome.start]
        since = (there["time"] >= begun).to_numpy(bool)
        # Accepted images have no labels to give weights by.
        only_shares = usual.empty and _is_by_shares(
            held_out, by_id.loc[there["id"][since]], np.isnan(found[since]), model
        )
    return record, Difference(outcome.evidence, ranked["time"], begun, only_shares)


def _is_by_shares(held_out: pd.DataFrame, rows: pd.DataFrame, trains: Bools, model: Model) -> bool:
    """Return whether other shares of the classes explain new rows; never with several labels."""
    known = held_out[held_out["split"] == "test"]
    shares = _estimate_shares(rows, known, model)
    if not shares or not model.head.is_exclusive:
        return False
    before = known["label"].value_counts(normalize=True)
    others = held_out[held_out["split"] != "test"]
    labels = pd.concat([others["label"], known["label"]])
    weights = labels.map(lambda name: max(shares[name].value, 0.001) / before.get(name, 1.0))
    return explain_by_shares(
        features(others), features(known), weights.to_numpy(), features(rows), trains
    )


def _estimate_shares(rows: pd.DataFrame, known: pd.DataFrame, model: Model) -> dict[str, Estimate]:
    """Return the share of each label among rows; empty if there are too few."""
    if len(rows) < _LEAST:
        return {}
    new = np.vstack([*rows["probabilities"]]).T
    old = np.vstack([*known["probabilities"]]).T
    targets = model.head.targets(known["label"], model.labels)
    if targets.ndim == 1:
        targets = np.where(np.eye(len(model.labels), dtype=bool)[targets], YES, NO)
    found = {}
    for label, mine, before, cells in zip(model.labels, new, old, targets.T, strict=True):
        has = cells != UNKNOWN
        found[label] = estimate_share(mine, before[has], cells[has] == YES)
    return found


def _choose_new(every: pd.DataFrame, record: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Return rows with an answer, each image once, without those that the project has.

    Raises:
        DataError: There is none.
    """
    rows = every[every["reason"].isna()].drop_duplicates("id")
    # Images that people were asked about have since become the project's own.
    is_own = rows["id"].isin(read_labels(root)) & ~rows["id"].isin(record["id"])
    if is_own.all():
        raise DataError(
            f"none of {count(len(every), 'prediction')} is an answer about a new image",
            next="send images that the project does not have",
        )
    return rows[~is_own].reset_index(drop=True)
