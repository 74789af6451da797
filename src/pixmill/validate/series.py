"""Series: images whose names count on and that look alike, such as frames of clips."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.words import count

_LEVELS = 3
"""Numbers at the end of a name that may count within a series, as in ``slide07_x03_y12``."""

_SHIFTS = (2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 377, 987, 2584, 6765)
"""Distances in the order of names, in images, of the pairs that neighbours are compared with."""

_CLOSE = 0.05
_MIN_SHARE = 0.25
"""Neighbours form series if a quarter of them is closer than a twentieth of the other pairs of
their class. In drawn clips with turned, shifted and noisy frames, a half is.
"""

_MIN_PAIRS = 30
_MIN_SERIES = 5
_MIN_OTHERS = 50
"""Minimum numbers of neighbours, of series, and of other pairs of a class.

Of 30 neighbours, a quarter is close by
chance once in 5,000 times.
"""


@dataclass(frozen=True)
class Series:
    """Series among the kept images.

    Args:
        series: Their number.
        images: Number of their images.
        example: Two consecutive files.
        group_by: The value of ``split.group_by`` that keeps each series in one split.
    """

    series: int
    images: int
    example: tuple[str, str]
    group_by: str

    def sentence(self) -> str:
        """Return the finding and the line to set."""
        group_by = self.group_by.replace("'", "''")
        return (
            f"{count(self.images, 'image')} form {self.series:,} series that count on and look "
            "alike, such as "
            f"{' and '.join(self.example)}; to keep each series in one split, params.yaml needs in "
            "the section split: "
            f"group_by: '{group_by}'"
        )


def find_series(
    labels: Sequence[str], files: Sequence[str], hashes: npt.NDArray[np.uint64]
) -> Series | None:
    """Return the series; ``None`` if there are none.

    Names alone are no evidence, because cameras count, too: neighbours by number must be far more
    alike than other images of their class. The name of a series is the text before the last number,
    or before the last but one, or two.

    Args:
        labels: Labels of the images.
        files: Their paths or URLs.
        hashes: Their perceptual hashes.
    """
    stems = [re.sub(r"\.\w+$", "", file).rpartition("/")[2] for file in files]
    padded = [re.sub(r"\d+", lambda number: number[0].zfill(20), stem) for stem in stems]
    codes = pd.factorize(np.array(labels, object))[0].astype(np.int32)
    table = pd.DataFrame(
        {"label": codes, "padded": padded, "stem": stems, "file": files, "hash": hashes}
    )
    table = table.sort_values(["label", "padded"], ignore_index=True)
    near = _pairs(table, [1])
    others = _pairs(table, _SHIFTS)
    names = [
        table["stem"],
        *(table["stem"].map(partial(_name, level)) for level in range(1, 1 + _LEVELS)),
    ]
    for level in range(_LEVELS, 0, -1):
        apart = others[~_is_same(names[level], others)].groupby("label")["distance"]
        limits = apart.quantile(_CLOSE)[apart.size() >= _MIN_OTHERS]
        # Coarser names need evidence of their own, from images of different finer series.
        is_new = _is_same(names[level], near) & ~_is_same(names[level - 1], near)
        found = near[is_new & near["label"].isin(limits.index)]
        close = found[found["distance"] < found["label"].map(limits.to_dict()).astype(float)]
        sizes = (
            names[level][names[level] != ""]
            .groupby([table["label"], names[level]])
            .size()
            .loc[lambda n: n > 1]
        )
        if (
            len(found) >= _MIN_PAIRS
            and len(sizes) >= _MIN_SERIES
            and len(close) >= _MIN_SHARE * len(found)
        ):
            one = table["file"][close["a"].iloc[0]]
            other = table["file"][close["b"].iloc[0]]
            return Series(
                len(sizes),
                int(sizes.sum()),
                (one, other),
                _pattern(table["label"], names[level], level),
            )
    return None


def _name(level: int, stem: str) -> str:
    """Return the text before the last numbers of a name; empty if there is none."""
    found = re.match(rf"(.*?)(?<!\d)(?:\d++\D*+){{{level}}}$", stem)
    return found[1] if found else ""


def _pairs(table: pd.DataFrame, shifts: Sequence[int]) -> pd.DataFrame:
    """Return pairs of rows of one class at some distances by name, and those of their hashes."""
    rows = np.arange(len(table), dtype=np.int32)
    label = table["label"].to_numpy()
    hashes = table["hash"].to_numpy()
    found = [(rows[:-shift], rows[shift:]) for shift in shifts if shift < len(rows)]
    alike = [(a[label[a] == label[b]], b[label[a] == label[b]]) for a, b in found]
    a, b = (np.concatenate(parts) for parts in zip((rows[:0], rows[:0]), *alike, strict=True))
    return pd.DataFrame(
        {"a": a, "b": b, "label": label[a], "distance": np.bitwise_count(hashes[a] ^ hashes[b])}
    )


def _is_same(names: pd.Series, pairs: pd.DataFrame) -> npt.NDArray[np.bool_]:
    one, other = (names.to_numpy(object)[pairs[name]] for name in "ab")
    return np.asarray((one == other) & (one != ""), bool)


def _pattern(labels: pd.Series, names: pd.Series, level: int) -> str:
    r"""Return a pattern whose group is the name of a series, such as ``(clip\d+)_frame``.

    If each class has the same numbers, they count anew in each, and the folder of the class is a
    part of the name. If only some are the same, they may be of one patient.
    """
    forms = {re.sub(r"\d+", r"\\d+", re.escape(name)) for name in names[names != ""]}
    if len(forms) == 1 and r"\d+" in (form := forms.pop()):
        head, _, tail = form.rpartition(r"\d+")
        counts_anew = (
            names[names != ""].groupby(labels).agg(frozenset).nunique() == 1 < labels.nunique()
        )
        pattern = rf"({r'[^/]+/' if counts_anew else ''}{head}\d+){tail}"
    else:
        pattern = r"([^/]+?)(?<!\d)" + r"\d+[^\d/]*" * level + "$"
    return pattern + ("|([^/]+)$" if (names == "").any() else "")
