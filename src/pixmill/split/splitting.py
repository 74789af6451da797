"""Assignment of kept images to splits and folds, with checks and metrics; no image is opened."""

import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pixmill.core.cells import Task, by_label
from pixmill.core.errors import ManifestError
from pixmill.core.expectations import Outcome, run_checks, verdicts_by_name
from pixmill.core.manifest import SPLIT, corrections, given_test
from pixmill.core.params import SplitParams
from pixmill.core.words import first_of
from pixmill.images.parts import PARTS
from pixmill.split.checks import checks, count_by, tables
from pixmill.split.grouping import (
    TEST,
    TRAIN,
    VAL,
    Flags,
    Pairs,
    Rows,
    Sides,
    Texts,
    clusters,
    folds_of,
    given_sides,
    group_names,
    keep_given,
    places,
    rows_of,
    sides_of,
)
from pixmill.split.labelling import LABELLINGS, Answer, OneLabel, answers_of, show_answer
from pixmill.split.straddling import REASONS, SplitConstraints, straddlers


@dataclass(frozen=True)
class Assignment:
    """Splits and folds of all images.

    Args:
        manifest: The columns of :data:`pixmill.core.manifest.SPLIT`, sorted by id.
        groups: Group name of each row, null if it has none.
        dropped: Images dropped by split, sorted by id: ``id``, ``label``, ``part`` (the intended
            split), ``word`` (a key of :data:`pixmill.split.straddling.REASONS`) and ``other``, the
            id of the image that stays.
    """

    manifest: pd.DataFrame
    groups: pd.Series
    dropped: pd.DataFrame


@dataclass(frozen=True)
class Split(Assignment):
    """Results of the stage.

    Args:
        pairs: Verified near-duplicates from validate.
        classes: The classes in the order of ``params.yaml``.
        outcomes: Outcomes of the checks.
        labelling: What labels are.
    """

    pairs: pd.DataFrame
    classes: tuple[str, ...]
    outcomes: Sequence[Outcome]
    labelling: OneLabel

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """The number of images by split and label."""
        return count_by(self.manifest, "split", PARTS, self.classes)

    @property
    def sizes(self) -> dict[str, int]:
        """The number of images by split."""
        return {part: int((self.manifest["split"] == part).sum()) for part in PARTS}


def split(
    manifest: pd.DataFrame,
    pairs: pd.DataFrame,
    params: SplitParams,
    *,
    classes: Sequence[str],
    root: Path | None = None,
    task: Task = "one_label",
) -> Split:
    """Assign each kept image to a split and a fold, and check for leakage.

    Args:
        manifest: The columns of :data:`pixmill.core.manifest.VALIDATED`, sorted by id.
        pairs: Verified near-duplicates, the columns of :data:`pixmill.core.manifest.PAIRS`.
        params: The section ``split``.
        classes: The classes in the order of ``params.yaml``.
        root: Project folder, with the table of ``split.group_by``; default: the current folder.
        task: Whether an image has one label.

    Raises:
        DataError: ``split.group_by`` gives images no group.
        ManifestError: A kept image has another label, because ``classes`` changed after validate.
    """
    labelling = LABELLINGS[task]
    kept = manifest[manifest["verdict"] == "keep"]
    if unknown := sorted(answers_of(kept["label"]) - {*labelling.answers(classes)}):
        raise ManifestError(
            (
                f"validate kept images labelled {first_of([*map(show_answer, unknown)])}, not among the classes of "
                "params.yaml"
            ),
            next="dvc repro -f validate",
        )
    assigned = assign(manifest, pairs, params, root)
    parts = assigned.manifest["split"]
    as_given = (assigned.manifest["given_split"] == parts).fillna(False)
    # Splits that people chose entirely may lack classes, and no salt changes them.
    given = {part for part, each in as_given.groupby(parts) if part != "train" and each.all()}
    drawn = {*PARTS} - given
    salt = None
    lacks = functools.partial(_lacks, labelling.answers(classes), drawn)
    if lacks(assigned.manifest):
        names = assigned.groups.fillna(assigned.manifest["id"])
        for other in labelling.salts(kept, names[kept.index].tolist(), params, classes):
            tried = params.model_copy(update={"salt": other})
            if not lacks(assign(manifest, pairs, tried, root).manifest):
                salt = other
                break
    of = tables(assigned.manifest, pairs, assigned.groups, classes, labelling)
    outcomes = run_checks(checks(params, classes, salt, given, labelling=labelling), of)
    return Split(
        **vars(assigned),
        pairs=pairs,
        classes=tuple(classes),
        outcomes=outcomes,
        labelling=labelling,
    )


def _lacks(answers: Sequence[Answer], parts: Collection[str], manifest: pd.DataFrame) -> bool:
    """Return whether one of the splits lacks images of an answer."""
    labels = (manifest.loc[manifest["split"] == part, "label"] for part in parts)
    return any(len(answers_of(found)) < len(answers) for found in labels)


def assign(
    manifest: pd.DataFrame, pairs: pd.DataFrame, params: SplitParams, root: Path | None = None
) -> Assignment:
    """Assign each kept image to a split and a fold, and drop images that would leak.

    Corrections from the served page are in train only and in no fold, unless someone put them into
    another predefined split.

    Args:
        manifest: The columns of :data:`pixmill.core.manifest.VALIDATED`, sorted by id.
        pairs: Verified near-duplicates; pairs with a dropped image are ignored.
        params: The section ``split``.
        root: See :func:`split`.

    Raises:
        DataError: ``split.group_by`` gives images no group.
    """
    kept = np.flatnonzero(manifest["verdict"] == "keep")
    table = manifest.iloc[kept]
    ids = table["id"].to_numpy(object)
    groups = pd.Series(None, manifest.index, object)
    if params.group_by is not None:
        groups = group_names(manifest, params.group_by, root)
    named = groups.iloc[kept].to_numpy(object)
    names = np.where(pd.isna(named), ids, named)
    alike = SplitConstraints(*rows_of(pairs, ids), sets=[_numbers(table["pixels"])])
    grouped = SplitConstraints(*_NO_PAIRS, sets=[_numbers(pd.Series(named))])

    # A group's hash is that of its name, so that its images stay together whatever is added.
    at = places(names, params.salt)
    hashed = sides_of(at, val=params.val, test=params.test)
    given = given_sides(table)
    sides = keep_given(hashed, given, at, val=params.val)
    corrected = corrections(table).to_numpy() & (given < VAL)
    # Users correct what the model got wrong; tested on such images, it would look worse than it is.
    sides[corrected] = TRAIN
    against, words = straddlers(sides, alike, grouped)
    staying = np.where(against < 0, sides, -1)

    gone = against >= 0
    dropped = pd.DataFrame(
        {
            "id": ids[gone],
            "label": table["label"].to_numpy(object)[gone],
            "part": np.array(PARTS, object)[sides[gone]],
            "word": _WORDS[words[gone]],
            "other": ids[against[gone]],
        }
    )
    complete = _complete(
        manifest, kept, dropped, staying, (alike.a, alike.b), named, corrected, params
    )
    return Assignment(complete, groups, dropped)


_WORDS = np.array(list(REASONS), object)
_NO_PAIRS: Pairs = (np.empty(0, np.int64), np.empty(0, np.int64))


def _numbers(names: pd.Series) -> Rows:
    """Return a number per name, -1 for names that occur once."""
    shared = names.notna() & names.duplicated(keep=False)
    return pd.factorize(names.where(shared))[0].astype(np.int64)


def _complete(
    manifest: pd.DataFrame,
    kept: Rows,
    dropped: pd.DataFrame,
    sides: Sides,
    pairs: Pairs,
    names: Texts,
    corrected: Flags,
    params: SplitParams,
) -> pd.DataFrame:
    """Return the manifest with the columns that split adds or changes."""
    there = sides >= 0
    near = manifest["group"].to_numpy(object)[kept[there]]
    members = np.full(len(kept), None, object)
    pixels = manifest["pixels"].iloc[kept[there]]
    alike = pixels.where(pixels.duplicated(keep=False)).to_numpy(object)
    both = there[pairs[0]] & there[pairs[1]]
    place = np.cumsum(there) - 1
    linked = (place[pairs[0][both]], place[pairs[1][both]])
    members[there] = clusters(near, alike, names[there], pairs=linked)
    # By cluster, so that no head predicts an image after it was fitted to one linked to it; of the
    # cluster's name alone, so that an image keeps its fold as data grow. Corrections, which train
    # every head, and their clusters have none: they are errors by selection, so predictions of them
    # would bias what is measured.
    folds = np.full(len(kept), -1, np.int32)
    folded = there & (sides != TEST)
    folded &= ~pd.Index(members).isin(members[there & corrected])
    folds[folded] = folds_of(members[folded], params.salt, params.folds)
    images = pd.DataFrame(
        {"split": np.array([*PARTS, None], object)[sides], "cluster": members}, manifest.index[kept]
    )
    # Negative folds mean none.
    images = images.assign(
        row=images.groupby("split").cumcount(), fold=pd.arrays.IntegerArray(folds, folds < 0)
    )
    text = manifest["id"].dtype
    found: pd.DataFrame = manifest.join(
        images.astype({"split": text, "cluster": text, "row": "Int32", "fold": "Int32"})
    )
    found.loc[images.index[~there], "verdict"] = "drop"
    found.loc[images.index[~there], "reason"] = (
        dropped["word"] + ":" + dropped["other"]
    ).to_numpy()
    return found.filter(SPLIT.names)


def metrics(split: Split) -> dict[str, Any]:
    """Return the content of ``plots/split/full.json``.

    Returns:
        ``<split>.<label>``, images per split and class; ``dropped``, images dropped by split, and
        ``reasons.<reason>``; ``gate.<check>``, True if passed; ``folds.<number>.<label>``; with
        predefined test images, ``given_test`` (see :func:`pixmill.core.manifest.given_test`).
    """
    words = split.dropped["word"]
    numbers = sorted(split.manifest["fold"].dropna().unique().tolist())
    found: dict[str, Any] = {
        **split.counts,
        "dropped": len(words),
        "reasons": {word: int((words == word).sum()) for word in REASONS if (words == word).any()},
        "gate": verdicts_by_name(split.outcomes),
        "folds": count_by(split.manifest, "fold", numbers, split.classes),
    }
    if given := given_test(split.manifest):
        found["given_test"] = given
    return found


def series_remark(split: Split) -> str:
    """Return which classes consist of one cluster, dropped images included; empty if none does."""
    manifest = split.manifest
    kept = manifest[manifest["split"].notna() | manifest["id"].isin(split.dropped["id"])]
    names = split.groups[kept.index].to_numpy(object)
    pairs = rows_of(split.pairs, kept["id"].to_numpy(object))
    members = pd.Series(clusters(kept["group"].to_numpy(object), names, pairs=pairs), kept.index)
    labels = by_label(kept[["label"]])["label"]
    images = members[labels.index].groupby(labels.to_numpy()).agg(["size", "nunique"])
    single = images.index[(images["size"] > 1) & (images["nunique"] == 1)].tolist()
    if not single:
        return ""
    return (
        f"all images of {first_of(single)} are one series: each is a near-duplicate of the next, "
        "or they share a group "
        "(split.group_by); their results are those of one series, so add images of others"
    )


def plot_table(split: Split) -> pd.DataFrame:
    """Return per split and class ``part``, ``label``, ``name`` (both), ``n`` and ``share``."""
    rows = []
    for part, counts in split.counts.items():
        known = split.labelling.known(split.manifest, part, split.classes)
        for label, n in counts.items():
            rows.append((part, label, f"{part} {label}", n, round(n / max(1, known[label]), 6)))
    return pd.DataFrame(rows, columns=["part", "label", "name", "n", "share"])


def summary(split: Split) -> str:
    """Return the sizes of the splits and the number of dropped images in one line."""
    sizes = split.manifest["split"].value_counts()
    parts = ", ".join(f"{sizes[part]:,} {part}" for part in PARTS)
    return f"{parts}; {len(split.dropped):,} dropped to prevent leakage"
