"""Ask people about images that a log keeps: copied to the unlabelled images, they wait there."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from pixmill.core.errors import DataError
from pixmill.core.files.writing import place_within, write_durably
from pixmill.core.manifest import ASKED
from pixmill.core.params import load_params
from pixmill.dataset.prediction_log import find_images
from pixmill.images.verified_reading import UndecodableError, read_verified
from pixmill.serve.watch.record import Sample, draw, read_labels, save_record
from pixmill.serve.watch.watching import Watch

_DIGITS = 16
"""Number of digits of the id in the name of a copy, the last ones: they tell its order."""


def ask(root: Path, found: Watch, sample: Sample, number: int) -> Watch:
    """Copy images of a log to the unlabelled images of the project, and note that people are asked.

    Images that wait since an earlier call come first, and are copied again if needed. A process
    that is killed leaves copies at most: the next call draws the same images.

    Args:
        root: Project folder.
        found: The watch.
        sample: Which images.
        number: How many images shall wait.

    Returns:
        The watch with these images among its ``answers``; those whose label the project knows are
        answered already.

    Raises:
        DataError: There is no image to ask about.
        StorageError: A file may not be written.
    """
    kept = find_images(found.folder)
    answers = found.answers
    waiting = answers.loc[answers["waiting"] & (answers["sample"] == sample), "id"].tolist()
    drawn = candidates(found, sample, kept)
    if sample == "doubtful":
        drawn = _choose_doubtful(found.rows[found.rows["id"].isin(drawn)])
    drawn = drawn[: max(0, number - len(waiting))]
    if not waiting and not drawn:
        why = "has no further image to ask about" if kept else "keeps no images"
        second = " --shadow models:/NAME/VERSION" if sample == "disagreement" else ""
        raise DataError(
            f"{found.folder} {why}", next=f"pixmill serve --log {found.folder} --log-images{second}"
        )
    placed = _copy(root, kept, ASKED[sample], [*waiting, *drawn])
    new = [name for name in drawn if name in placed]
    record = found.record.set_index("id", drop=False)
    first = record["asked"].fillna(-1).max() + 1
    record.loc[[name for name in waiting if name not in placed], "asked"] = np.nan
    record.loc[new, "asked"] = np.arange(len(new)) + first
    record.loc[new, "sample"] = sample
    record = record.reset_index(drop=True)
    save_record(found.folder, found.model, record)
    return replace(found, record=record)


def candidates(found: Watch, sample: Sample, kept: Collection[str]) -> list[str]:
    """Return the ids of images that people can be asked about, in random order.

    Those are the latest, in an alarm those since it began; of disagreements, all.

    Args:
        found: The watch.
        sample: Which images.
        kept: Ids of the images that the log keeps.
    """
    rows = found.rows
    begun = found.difference.begun
    if sample != "disagreement":
        rows = found.latest if begun is None else rows[rows["time"] >= begun]
    return draw(found.record, sample, {*kept} & {*rows["id"]})


def _choose_doubtful(rows: pd.DataFrame) -> list[str]:
    """Return the ids of unsure images and those unlike the training images, the strangest first."""
    is_sure = rows["sure"].eq(other=True) & ~rows["unlike"].eq(other=True)
    rows = rows if is_sure.all() else rows[~is_sure]
    order = rows.sort_values(["novelty", "confidence"], ascending=[False, True])
    return order["id"].tolist()


def _copy(root: Path, kept: Mapping[str, Path], prefix: str, names: Sequence[str]) -> set[str]:
    """Copy images that the project lacks, and return the ids of those that it has then."""
    folder = root / (load_params(root).evaluate.unlabelled or "data/unlabelled")
    copied = {path.stem[-_DIGITS:] for path in folder.glob("*-*.*")}
    there = read_labels(root).keys() | {name for name in names if name[-_DIGITS:] in copied}
    for name in names:
        if name in there or name not in kept:
            continue
        with contextlib.suppress(UndecodableError):  # deleted just now, or another file
            content = read_verified(kept[name], name)
            day = kept[name].parts[-3]
            target = folder / f"{prefix}{day}-{name[-_DIGITS:]}{kept[name].suffix}"
            write_durably(place_within(target, root / "data"), content)
            there.add(name)
    return there
