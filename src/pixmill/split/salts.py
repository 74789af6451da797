"""Another salt, where the hash divides a small class unevenly by chance: named once, never applied by itself."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.params import SplitParams
from pixmill.images.parts import PARTS
from pixmill.split.assignment import TEST, TRAIN, VAL, Sides, keep_given, places, sides_of
from pixmill.split.grouping import group_names

_SALTS = 1000
"""Salts that are tried."""

_HASHES = 2_000_000
"""Most hashes, about two seconds: of very many images fewer salts are tried, or none."""

_FEW = 0.5
"""Share of the expected images in val or test below which a class has too few there."""

_BETTER = 0.75
"""How far off the best salt may be, as a share of how far off the present one is, to be worth a change."""

_NAMED = 5
"""Classes that the suggestion names."""

_HELD_OUT = (VAL, TEST)

Texts = npt.NDArray[np.object_]
Table = npt.NDArray[np.float64]
"""Images by split and class, of shape ``(splits, classes)``."""


def names_of(images: pd.DataFrame, params: SplitParams) -> Texts:
    """Return what is hashed of each image: the name of its group; where it stands by itself, its id.

    Args:
        images: ``id`` and, where ``split.group_by`` is set, the columns that :func:`.group_names` reads.
        params: The section ``split``.
    """
    ids = images["id"].to_numpy(object)
    if params.group_by is None:
        return ids
    groups = group_names(images, params.group_by).to_numpy(object)
    return np.where(pd.isna(groups), ids, groups)


def given_sides(images: pd.DataFrame) -> Sides:
    """Return the given split of each image; below 0 where there is none."""
    return pd.Index(PARTS).get_indexer(pd.Index(images["given_split"].to_numpy(object))).astype(np.int8)


def suggest_salt(images: pd.DataFrame, params: SplitParams, *, classes: Sequence[str]) -> str | None:
    """Return a sentence that names the salt which divides the classes best, where the present one divides them badly.

    That is where a class has less than half of its expected images in val or test, or where shares differ by more than
    ``split.class_shares.tolerance``. Counts alone decide. Near-duplicates, which split drops later, are counted too.

    Args:
        images: ``id``, ``label`` (one of the classes), ``given_split``, and what :func:`names_of` reads.
        params: The section ``split``.
        classes: The labels.

    Returns:
        ``None`` where the present salt will do, or no other one is much better.
    """
    rows, names = pd.factorize(names_of(images, params))
    labels = pd.Index(classes).get_indexer(pd.Index(images["label"].to_numpy(object)))
    given = given_sides(images)

    def divide(salt: str) -> Table:
        at = places(names, salt)[rows]
        sides = keep_given(sides_of(at, val=params.val, test=params.test), given, at, val=params.val)
        return _table(sides, labels, len(classes))

    wanted = _expected_counts(given, labels, params, len(classes))
    now = divide(params.salt)
    if not _is_bad(now, wanted, params.class_shares.tolerance):
        return None
    salts = [f"pixmill-{number}" for number in range(1, 1 + min(_SALTS, _HASHES // len(names)))]
    tables = [divide(salt) for salt in salts]
    far = [_off(table, wanted).max() if table[wanted > 0].all() else np.inf for table in tables]
    if not far or min(far) >= _BETTER * _off(now, wanted).max():
        return None
    best = int(np.argmin(far))
    worst, label = divmod(int(_off(now, wanted).argmax()), len(classes))
    side, all_of = _HELD_OUT[worst], now.sum(axis=0)
    then = [f"{tables[best][side, n]:,.0f} of {all_of[n]:,.0f} '{classes[n]}'" for n in range(len(classes))[:_NAMED]]
    more = ", …" if len(classes) > _NAMED else ""
    cost = "; it draws a new test set" if (given < 0).any() else ""
    return (
        f"{PARTS[side]} has {now[side, label]:,.0f} of {all_of[label]:,.0f} images of '{classes[label]}', where "
        f"{wanted[side, label]:,.0f} are expected. Of {len(salts):,} salts, {salts[best]} divides the classes best "
        f"({PARTS[side]}: {', '.join(then)}{more}), judged by counts alone{cost}.\n"
        f"Next: before you compare results, set split.salt: {salts[best]} in params.yaml, then: dvc repro"
    )


def _table(sides: npt.NDArray[np.integer], labels: npt.NDArray[np.integer], classes: int) -> Table:
    cells = np.bincount(sides.astype(np.int64) * classes + labels, minlength=len(PARTS) * classes)
    return cells.reshape(len(PARTS), classes).astype(np.float64)


def _expected_counts(given: Sides, labels: npt.NDArray[np.integer], params: SplitParams, classes: int) -> Table:
    """Return how many images of each class belong in each split on average over all salts."""
    table = np.zeros((len(PARTS), classes))
    drawn = not (given == VAL).any()
    for where, val, test in ((given < 0, params.val, params.test), (given == TRAIN, params.val * drawn, 0.0)):
        sizes = np.bincount(labels[where], minlength=classes)
        table += np.outer([1 - val - test, val, test], sizes)
    for side in _HELD_OUT:
        table[side] += np.bincount(labels[given == side], minlength=classes)
    return table


def _off(table: Table, wanted: Table) -> Table:
    """Return by how much the images of each class in val and test differ from those expected, as a share of these."""
    found, right = table[list(_HELD_OUT)], wanted[list(_HELD_OUT)]
    off: Table = np.abs(found - right) / np.where(right > 0, right, 1)
    return off


def _is_bad(table: Table, wanted: Table, tolerance: float) -> bool:
    few = table[list(_HELD_OUT)] < _FEW * wanted[list(_HELD_OUT)]
    shares, of_all = table / np.maximum(1, table.sum(axis=1, keepdims=True)), table.sum(axis=0) / max(1, table.sum())
    return bool(few.any() or (np.abs(shares - of_all) > tolerance).any())
