"""Series: images that belong together, such as frames of a clip or augmented copies of a photo."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.words import count
from pixmill.images.likeness.hashing import SIDE, Greys

_LEVELS = 3
"""Numbers at the end of a name that may count within a series, as in ``slide07_x03_y12``."""

_SHIFTS = (2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 377, 987, 2584, 6765)
"""Distances in the order of names, in images, of the pairs that neighbours are compared with."""

_CLOSE = 0.05
_MIN_SHARE = 0.25
"""Neighbours form series if a quarter of them is closer than a twentieth of the other pairs of
their class. In drawn clips with turned, shifted and noisy frames, four fifths are; in augmented
copies of the bundled images (mirrored, turned by 20 degrees, cropped by a fifth, brighter or darker
by a quarter), a third; in the bundled images, one in twenty.
"""

_MIN_PAIRS = 30
_MIN_SERIES = 5
_MIN_OTHERS = 50
"""Minimum numbers of neighbours, of series, and of other pairs of a class.

Of 30 neighbours, a quarter is close by
chance once in 5,000 times.
"""

_MAX_PAIRS = 50_000
"""Pairs whose images are compared, which takes seconds."""

_MIN_COPIES = 0.01
"""Series of copies are worth a remark if they have this share of the images."""

_WORDS = (
    "aug(?:mented)?",
    "rot(?:ated?)?",
    "[hv]?flip(?:ped|lr|ud)?",
    "mirror(?:ed)?",
    "bright(?:ness)?",
    "contrast",
    "nois[ey]",
    "blur(?:red)?",
    "crop(?:ped)?",
    "zoom(?:ed)?",
    "shift(?:ed)?",
)
_SUFFIXES = (
    r"(?:_(?:jpe?g|png|bmp|webp|tiff?))?\.rf\.\w{20,32}",  # Roboflow
    r"_[\da-f]{8}-[\da-f-]{27}",  # Augmentor
    r"_x\d+_y\d+",  # a tile of a scan
    r"[ _-]+\(?(?:copy|copie|copia|kopie)(?:[ _-]*\(?\d+\)?)?\)?",  # file managers
    *(rf"[ _-]{word}[_-]*\d*" for word in _WORDS),
)
"""What tools append to the name of an image for a copy or a part of it."""

_SUFFIX = re.compile("|".join(f"({suffix})" for suffix in _SUFFIXES), re.IGNORECASE)
_ENDING = re.compile(f"(?<=.)(?:{_SUFFIX.pattern})+$", re.IGNORECASE)


@dataclass(frozen=True)
class Series:
    """Series among the kept images.

    Args:
        series: Their number.
        images: Number of their images.
        example: Two files of a series.
        group_by: The value of ``split.group_by`` that keeps each series in one split.
        named: Whether the names alone tell, by suffixes of tools.
    """

    series: int
    images: int
    example: tuple[str, str]
    group_by: str
    named: bool = False

    def sentence(self) -> str:
        """Return the finding and the line to set."""
        group_by = self.group_by.replace("'", "''")
        why = (
            "of copies or parts of one image, by their names"
            if self.named
            else "that count on and look alike"
        )
        return (
            f"{count(self.images, 'image')} form {self.series:,} series {why}, such as "
            f"{' and '.join(self.example)}; to keep each series in one split, params.yaml needs in "
            "the section split: "
            f"group_by: '{group_by}'"
        )


def find_series(
    labels: Sequence[str],
    files: Sequence[str],
    greys: Greys,
    rows: npt.NDArray[np.int64] | None = None,
) -> Series | None:
    """Return the series; ``None`` if there are none.

    Numbers in names are no evidence, because cameras count, too: neighbours by number must be far
    more alike than other images of their class. The name of a series is the text before the last
    number, or before the last but one, or two. Suffixes of tools, such as ``_flip``, are evidence.

    Args:
        labels: Labels of the images.
        files: Their paths or URLs.
        greys: Small greyscale versions, ``uint8`` of shape (n, 32, 32).
        rows: Place of each image in ``greys``; default: their order.
    """
    full = [re.sub(r"\.\w+$", "", file).rpartition("/")[2] for file in files]
    stems = [_ENDING.sub("", stem) for stem in full]
    padded = [re.sub(r"\d+", lambda number: number[0].zfill(20), stem) for stem in stems]
    codes = pd.factorize(np.array(labels, object))[0].astype(np.int32)
    table = pd.DataFrame(
        {"label": codes, "padded": padded, "stem": stems, "full": full, "file": files}
    )
    table["row"] = np.arange(len(table)) if rows is None else rows
    table = table.sort_values(["label", "padded", "full"], ignore_index=True)
    endings = {
        _SUFFIXES[found.lastindex - 1]
        for stem, name in table[["stem", "full"]].itertuples(index=False)
        if stem != name
        for found in _SUFFIX.finditer(name, len(stem))
        if found.lastindex
    }
    suffixes = sorted(endings, key=_SUFFIXES.index)
    return _counting(table, greys, suffixes) or _copies(table, suffixes)


def _copies(table: pd.DataFrame, suffixes: Sequence[str]) -> Series | None:
    """Return the series whose names have the same text before suffixes of tools."""
    copied = table["stem"] != table["full"]
    series = table.groupby(["label", "stem"])
    size = series["stem"].transform("size")
    # A text that half of the class has is no name of an image.
    one = size <= table.groupby("label")["stem"].transform("size") / 2
    members = table[
        one & (size > 1) & copied.groupby([table["label"], table["stem"]]).transform("any")
    ]
    number = len(members[["label", "stem"]].drop_duplicates())
    if number < _MIN_SERIES or len(members) < _MIN_COPIES * len(table):
        return None
    example = (members["file"].iloc[0], members["file"].iloc[1])
    folder = "[^/]+/" if members.groupby("stem")["label"].nunique().max() > 1 else ""
    pattern = f"({folder}[^/]+?){_ending(suffixes)}$"
    return Series(number, len(members), example, pattern, named=True)


def _counting(table: pd.DataFrame, greys: Greys, suffixes: Sequence[str]) -> Series | None:
    """Return the series whose names count on and that look alike."""
    near = _pairs(table, [1])
    others = _pairs(table, _SHIFTS)
    names = [table["stem"]]
    for level in range(1, 1 + _LEVELS):
        before = table["stem"].map(partial(_name, level))
        # The original of numbered copies has the name of their series.
        names.append(table["stem"].where(table["stem"].isin(before), before))
    for level in range(_LEVELS, 0, -1):
        # Coarser names need evidence of their own, from images of different finer series.
        is_new = _is_same(names[level], near) & ~_is_same(names[level - 1], near)
        found = _compare(near[is_new], table["row"], greys)
        if len(found) < _MIN_PAIRS:
            continue
        apart = _compare(others[~_is_same(names[level], others)], table["row"], greys)
        distances = apart.groupby("label")["distance"]
        limits = distances.quantile(_CLOSE)[distances.size() >= _MIN_OTHERS]
        found = found[found["label"].isin(limits.index)]
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
                _pattern(table, names[level], level, suffixes),
            )
    return None


def _name(level: int, stem: str) -> str:
    """Return the text before the last numbers of a name; empty if there is none."""
    found = re.match(rf"(.*?)[ _.(-]*(?<!\d)(?:\d++\D*+){{{level}}}$", stem)
    return found[1] if found else ""


def _pairs(table: pd.DataFrame, shifts: Sequence[int]) -> pd.DataFrame:
    """Return pairs of rows of one class at some distances by name."""
    rows = np.arange(len(table), dtype=np.int32)
    label = table["label"].to_numpy()
    found = [(rows[:-shift], rows[shift:]) for shift in shifts if shift < len(rows)]
    alike = [(a[label[a] == label[b]], b[label[a] == label[b]]) for a, b in found]
    a, b = (np.concatenate(parts) for parts in zip((rows[:0], rows[:0]), *alike, strict=True))
    return pd.DataFrame({"a": a, "b": b, "label": label[a]})


def _compare(pairs: pd.DataFrame, rows: pd.Series, greys: Greys) -> pd.DataFrame:
    """Return pairs, evenly spaced, with the ``distance`` of their images.

    It is small for images that were turned, mirrored, cropped a little or exposed otherwise: the
    correlation of 8 x 8 means, the best of eight orientations, and that of the sorted greys.
    """
    chosen = pairs.iloc[:: len(pairs) // _MAX_PAIRS + 1]
    places = rows.to_numpy()
    distance = np.empty(len(chosen))
    for start in range(0, len(chosen), _BLOCK):
        block = slice(start, start + _BLOCK)
        one, other = (greys[places[chosen[name].to_numpy()[block]]] for name in "ab")
        tones = _correlate(*(np.sort(each.reshape(len(each), -1)) for each in (one, other)))
        one, other = (
            each.reshape(-1, 8, SIDE // 8, 8, SIDE // 8).sum((2, 4)) for each in (one, other)
        )
        views = [
            np.rot90(side, turns, (1, 2)) for side in (other, other[:, ::-1]) for turns in range(4)
        ]
        shapes = np.max([_correlate(one, view) for view in views], axis=0)
        distance[block] = (1 - shapes) * (1 - tones)
    return chosen.assign(distance=distance)


_BLOCK = 4096
"""Pairs that are compared at a time."""


def _correlate(
    one: npt.NDArray[np.generic], other: npt.NDArray[np.generic]
) -> npt.NDArray[np.float64]:
    """Return the correlation of each pair of rows; 0 if one is constant."""
    a, b = (each.reshape(len(each), -1).astype(np.float64) for each in (one, other))
    a -= a.mean(axis=1, keepdims=True)
    b -= b.mean(axis=1, keepdims=True)
    scale = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return np.asarray((a * b).sum(axis=1) / np.where(scale, scale, 1))


def _is_same(names: pd.Series, pairs: pd.DataFrame) -> npt.NDArray[np.bool_]:
    one, other = (names.to_numpy(object)[pairs[name]] for name in "ab")
    return np.asarray((one == other) & (one != ""), bool)


def _ending(suffixes: Sequence[str]) -> str:
    return f"(?i:{'|'.join(suffixes)})*" if suffixes else ""


def _pattern(table: pd.DataFrame, names: pd.Series, level: int, suffixes: Sequence[str]) -> str:
    r"""Return a pattern whose group is the name of a series, such as ``(clip\d+)_frame``.

    If each class has the same numbers, they count anew in each, and the folder of the class is a
    part of the name. If only some are the same, they may be of one patient.
    """
    named = names[names != ""]
    forms = {re.sub(r"\d+", r"\\d+", re.escape(name)) for name in named}
    numbers = {form.count(r"\d+") for form in forms}
    if len(forms) == 1 and numbers != {0}:
        head, _, tail = forms.pop().rpartition(r"\d+")
        counts_anew = (
            named.groupby(table["label"]).agg(frozenset).nunique() == 1 < table["label"].nunique()
        )
        pattern = rf"({r'[^/]+/' if counts_anew else ''}{head}\d+){tail}"
    elif len(numbers) == 1 and numbers != {0}:
        pattern = rf"(?<![^/])((?:[^\d/]*\d+){{{numbers.pop()}}})[^/]*$"
    else:
        pattern = r"([^/]+?)[ _.(-]*(?<!\d)" + r"\d+[^\d/]*" * level + f"{_ending(suffixes)}$"
    matches = all(re.search(pattern, f"/folder/{name}") for name in table["full"])
    return pattern + ("" if matches else "|([^/]+)$")
