"""The stage's first half: kept images in; parts, folds, the expectations' outcomes and metrics out; none is opened."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.errors import ManifestError
from pixmill.core.expectations import Outcome, run_checks, verdicts_by_name
from pixmill.core.manifest import SPLIT, given_test
from pixmill.core.params import SplitParams
from pixmill.images.parts import PARTS
from pixmill.split.assignment import TEST, Sides, folds_of, given_sides, keep_given, places, sides_of
from pixmill.split.checks import checks, count_by, tables
from pixmill.split.grouping import clusters, group_names, names_of
from pixmill.split.straddling import REASONS, SplitConstraints, fold_straddlers, straddlers

Texts = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Assignment:
    """Where each image belongs.

    Args:
        manifest: The columns of :data:`pixmill.core.manifest.SPLIT`, sorted by id.
        groups: The name of each row's group, absent where it stands by itself; ``None`` where no groups were asked for.
        dropped: What was dropped here, sorted by id: ``id``, ``label``, ``part`` (that it would be in), ``word`` (of
            :data:`pixmill.split.straddling.REASONS`) and ``other``, the id of the image that stays.
    """

    manifest: pd.DataFrame
    groups: pd.Series | None
    dropped: pd.DataFrame


@dataclass(frozen=True)
class Split(Assignment):
    """The results of the stage.

    Args:
        pairs: Verified near-duplicates, as validate found them.
        classes: The labels, in the order of the params.
        outcomes: What came of each expectation.
        folds: How many folds there are; ``None`` where none were asked for.
    """

    pairs: pd.DataFrame
    classes: tuple[str, ...]
    outcomes: Sequence[Outcome]
    folds: int | None


def split(manifest: pd.DataFrame, pairs: pd.DataFrame, params: SplitParams, *, classes: Sequence[str]) -> Split:
    """Assign each kept image to a split and a fold, and check for leakage.

    Args:
        manifest: What validate wrote, with the columns of :data:`pixmill.core.manifest.VALIDATED`, sorted by id.
        pairs: Verified near-duplicates, with the columns of :data:`pixmill.core.manifest.PAIRS`.
        params: The section ``split``.
        classes: The labels, in the order of the params.

    Raises:
        ManifestError: The label of a kept image is no class.
    """
    assigned = assign(manifest, pairs, params, classes=classes)
    outcomes = run_checks(
        checks(params, classes), tables(assigned.manifest, pairs, assigned.groups, classes, folds=params.folds)
    )
    return Split(**vars(assigned), pairs=pairs, classes=tuple(classes), outcomes=outcomes, folds=params.folds)


def assign(manifest: pd.DataFrame, pairs: pd.DataFrame, params: SplitParams, *, classes: Sequence[str]) -> Assignment:
    """Return the manifest with the columns that split adds, and the verdicts of what would straddle.

    Args:
        manifest: What validate wrote, sorted by id.
        pairs: Verified near-duplicates, by id; pairs with an image that is not kept say nothing.
        params: The section ``split``.
        classes: The labels.

    Raises:
        ManifestError: A kept image has a label that is no class.
    """
    kept = np.flatnonzero(manifest["verdict"] == "keep")
    table = manifest.iloc[kept]
    _require_classes(table, classes)
    ids = table["id"].to_numpy(object)
    groups = None if params.group_by is None else group_names(manifest, params.group_by)
    named = None if groups is None else groups.iloc[kept].to_numpy(object)
    names = names_of(table, params)
    alike = SplitConstraints(*_rows(pairs, ids), sets=[_numbers(table["pixels"])])
    grouped = SplitConstraints(*_NO_PAIRS, sets=[] if named is None else [_numbers(pd.Series(named))])

    sides = _sides(table, names, params)
    against, words = straddlers(sides, alike, grouped)
    staying = np.where(against < 0, sides, -1)
    folds = np.full(len(ids), -1, np.int32)
    if params.folds is not None:
        held = (staying >= 0) & (staying != TEST)
        folds[held] = folds_of(names[held], params.salt, params.folds)
        apart = fold_straddlers(folds, alike)
        against, words = np.maximum(against, apart), np.where(apart < 0, words, _FOLDS)
        folds[apart >= 0] = staying[apart >= 0] = -1

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
    return Assignment(_complete(manifest, kept, dropped, staying, folds, named), groups, dropped)


_WORDS = np.array(list(REASONS), object)
_FOLDS = 2
_NO_PAIRS = (np.empty(0, np.int64), np.empty(0, np.int64))


def _require_classes(kept: pd.DataFrame, classes: Sequence[str]) -> None:
    strange = sorted(set(kept["label"].unique()) - set(classes))
    if strange:
        raise ManifestError(
            f"validate kept images labelled {', '.join(strange)}, not among the classes of params.yaml",
            next="dvc repro -f validate",
        )


def _rows(pairs: pd.DataFrame, ids: Texts) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the rows of the pairs' images, of those pairs whose images are both there."""
    index = pd.Index(ids)
    a, b = (index.get_indexer(pd.Index(pairs[name].to_numpy(object))).astype(np.int64) for name in ("a", "b"))
    there = (a >= 0) & (b >= 0)
    return a[there], b[there]


def _numbers(names: pd.Series) -> npt.NDArray[np.int64]:
    """Return one number for all images of a name, and -1 for those that share theirs with none."""
    shared = names.notna() & names.duplicated(keep=False)
    return pd.factorize(names.where(shared))[0].astype(np.int64)


def _sides(kept: pd.DataFrame, names: Texts, params: SplitParams) -> Sides:
    """Return the part of each image, before anything straddles."""
    at = places(names, params.salt)
    return keep_given(sides_of(at, val=params.val, test=params.test), given_sides(kept), at, val=params.val)


def _complete(
    manifest: pd.DataFrame,
    kept: npt.NDArray[np.int64],
    dropped: pd.DataFrame,
    sides: npt.NDArray[np.int8],
    folds: npt.NDArray[np.int32],
    names: Texts | None,
) -> pd.DataFrame:
    """Return the manifest with what was decided of its kept rows."""
    gone = kept[sides < 0]
    verdicts, why = (manifest[column].to_numpy(object, copy=True) for column in ("verdict", "reason"))
    verdicts[gone], why[gone] = "drop", dropped["word"] + ":" + dropped["other"]
    parts = np.full(len(manifest), None, object)
    parts[kept] = np.array([*PARTS, None], object)[sides]
    rows, numbers = np.full(len(manifest), -1, np.int32), np.full(len(manifest), -1, np.int32)
    for side in range(len(PARTS)):
        rows[kept[sides == side]] = np.arange(np.count_nonzero(sides == side))
    numbers[kept] = folds
    members, there = np.full(len(manifest), None, object), sides >= 0
    near = manifest["group"].to_numpy(object)[kept[there]]
    members[kept[there]] = clusters(near, None if names is None else names[there])
    texts = {"verdict": verdicts, "reason": why, "split": parts, "cluster": members}
    added: dict[str, Any] = {
        **{name: pd.Series(column, manifest.index, dtype=manifest["id"].dtype) for name, column in texts.items()},
        **{name: pd.arrays.IntegerArray(column, column < 0) for name, column in (("row", rows), ("fold", numbers))},
    }
    return pd.DataFrame({name: added[name] if name in added else manifest[name] for name in SPLIT.names})


def metrics(split: Split) -> dict[str, Any]:
    """Return what ``plots/split/full.json`` holds.

    Returns:
        ``<part>.<label>`` images, ``dropped`` of those that validate kept, ``reasons.<word>`` of these,
        ``gate.<expectation>`` (whether it passed), where folds were asked for ``folds.<number>.<label>``, and where
        test images were given ``given_test`` (see :func:`pixmill.core.manifest.given_test`).
    """
    words = split.dropped["word"]
    found: dict[str, Any] = {
        **count_by(split.manifest, "split", PARTS, split.classes),
        "dropped": len(words),
        "reasons": {word: int((words == word).sum()) for word in REASONS if (words == word).any()},
        "gate": verdicts_by_name(split.outcomes),
    }
    if split.folds is not None:
        found["folds"] = count_by(split.manifest, "fold", range(split.folds), split.classes)
    if given := given_test(split.manifest):
        found["given_test"] = given
    return found


def plot_table(split: Split) -> pd.DataFrame:
    """Return one row a part and class: ``part``, ``label``, ``name`` (of both), ``n`` and ``share`` of the part."""
    counts = count_by(split.manifest, "split", PARTS, split.classes)
    rows = [
        (part, label, f"{part} {label}", n, round(n / max(1, sum(counts[part].values())), 6))
        for part in PARTS
        for label, n in counts[part].items()
    ]
    return pd.DataFrame(rows, columns=["part", "label", "name", "n", "share"])


def summary(split: Split) -> str:
    """Return in one line how many images each part has, and how many were dropped here."""
    sizes = split.manifest["split"].value_counts()
    parts = ", ".join(f"{sizes[part]:,} {part}" for part in PARTS)
    return f"{parts}; {len(split.dropped):,} dropped to prevent leakage"
