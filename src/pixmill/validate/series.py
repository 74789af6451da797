"""Series: images that belong together, such as frames of a clip or augmented copies of a photo."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pixmill.core.words import count, printable
from pixmill.images.likeness.hashing import SIDE, Greys

Rows = npt.NDArray[np.int64]

_MAX_NUMBERS = 6
"""Numbers of a name that are looked at, as in ``slide07_x03_y12``, which has three."""

_SHIFTS = (2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 377, 987, 2584, 6765)
"""Distances in the order of names, in images, of the pairs that neighbours are compared with."""

_CLOSE = 0.05
_MIN_SHARE = 0.25
_MIN_SHARE_OF_WORDS = 0.15
"""Neighbours form series if a quarter of them is closer than a twentieth of the other pairs of
their class; less is enough with words such as ``_aug``. In drawn clips with turned, shifted and
noisy frames, four fifths are; in augmented copies of 30 bundled images of a class beside the others
(mirrored, turned by 20 degrees, cropped by a fifth, brighter or darker by a quarter), a tenth of
trousers and a third of shirts; in the bundled images, one in twenty, of a class one in ten.
"""

_MIN_PAIRS = 30
_MIN_SERIES = 5
_MIN_OTHERS = 50
"""Minimum numbers of neighbours, of series, and of other pairs of a class.

Of 30 neighbours, a quarter is close by
chance once in 5,000 times; so many have to be close, however small their share may be.
"""

_MAX_PAIRS = 50_000
"""Pairs whose images are compared, which takes seconds."""

_MAX_LISTED = 4 * _MAX_PAIRS
"""Pairs that are listed, from which those are chosen."""

_MIN_IMAGES = 0.01
"""Series are worth a remark if they have this share of the images."""

_NESTED = 0.9
"""Share of the names of a class that are the first ones of another if each counts anew."""

_FORMS = (
    r"_[a-z]+\.rf\.[\da-z]+",  # Roboflow
    r"_[\da-f]{8}-[\da-f-]{27}",  # Augmentor
    r"_x\d+_y\d+",  # a tile of a scan
)
"""What only tools append to the name of an image for a copy or a part of it, in any case."""

_WORDS = (
    "(?>[a-z]*?(?:aug|blur|bright|contrast|copia|copie|copy|crop|distort|elastic|flip|jitter|kopie|"
    "mirror|nois|rotat|satur|shear|shift|transpos|warp|zoom)[a-z]*|rot)"
)
_NUMBERED = r"[ _(-]+(?:{})(?:[ _(-]*\d+)?\)?"
"""Words that tools append, with a number; people do, too, as in ``2020-aug-1``."""

_ENDING = re.compile(f"(?<=.)(?:{'|'.join((*_FORMS, _NUMBERED.format(_WORDS)))})+$", re.IGNORECASE)


@dataclass(frozen=True)
class Series:
    """Series among the kept images.

    Args:
        series: Their number.
        images: Number of their images.
        example: Two files of a series.
        group_by: The value of ``split.group_by`` that keeps each series in one split.
    """

    series: int
    images: int
    example: tuple[str, str]
    group_by: str

    def sentence(self) -> str:
        """Return the finding and the line to set."""
        group_by = self.group_by.replace("'", "''")
        example = " and ".join(map(printable, self.example))
        return (
            f"{count(self.images, 'image')} form {self.series:,} series, such as that of {example}. "
            "Series in several splits can make the accuracy look too high: to keep each in one, set "
            f"group_by: '{group_by}' in the section split of params.yaml"
        )


def find_series(
    labels: Sequence[str], files: Sequence[str], greys: Greys, rows: Rows
) -> Series | None:
    """Return the series; ``None`` if there are none.

    Numbers in names are no evidence, because cameras count, too: neighbours by number must be far
    more alike than other images of their class. The name of a series is the text up to one of the
    numbers, or without words such as ``_flip``. Forms that only tools write are evidence.

    Args:
        labels: Labels of the images.
        files: Their paths or URLs.
        greys: Small greyscale versions, ``uint8`` of shape (n, 32, 32).
        rows: Place of each image in ``greys``.
    """
    if not files:
        return None
    full = [_name(file) for file in files]
    stems = [_ENDING.sub("", name) for name in full]
    codes = pd.factorize(np.array(labels, object))[0]
    order = _by_number(codes, stems, full)
    table = pd.DataFrame({"label": codes, "full": full, "file": files, "row": rows})
    table = table.iloc[order].reset_index(drop=True)
    near = _pairs(table, [1])
    others = _pairs(table, _SHIFTS)
    numbers = min(max(len(re.findall(r"\d+", stem)) for stem in stems), _MAX_NUMBERS)
    patterns = [*map(_up_to, range(numbers)), *_without_endings(full)]
    names = [_names(table["full"], pattern) for pattern in patterns]
    for level, pattern in enumerate(patterns):
        series = table.groupby(["label", names[level]])
        sizes = series.size()[lambda n: n > 1]
        if len(sizes) < _MIN_SERIES or sizes.sum() < _MIN_IMAGES * len(table):
            continue
        if pattern == patterns[-1]:
            # A name that all images of a class have says nothing.
            is_evident = len(sizes) >= _MIN_SERIES * sizes.groupby(level=0).ngroups
        else:
            # Coarser names need evidence of their own, from images of different finer series.
            finer = [_is_same(each, near) for each in names[level + 1 :]]
            is_new = _is_same(names[level], near) & ~np.any(finer, axis=0)
            apart = others[~_is_same(names[level], others)]
            least = _MIN_SHARE_OF_WORDS if pattern == patterns[-2] else _MIN_SHARE
            is_evident = _look_alike(near[is_new], apart, table["row"].to_numpy(), greys, least)
        if is_evident:
            one, other = table["file"][series.groups[sizes.index[0]][:2]]
            group_by = _group_by(pattern, files, counts_anew=_counts_anew(table, pattern))
            return Series(len(sizes), int(sizes.sum()), (one, other), group_by)
    return None


def _name(file: str) -> str:
    """Return the last part of a path or URL, without its extension."""
    return re.sub(r"(?<=[^/])\.\w+$", "", file).rstrip("/").rpartition("/")[2]


def _by_number(labels: Rows, stems: Sequence[str], full: Sequence[str]) -> Rows:
    """Return the order by label, then by name, with numbers by their value."""

    def counted(number: re.Match[str]) -> str:
        digits = number[0].lstrip("0")
        return f"{len(digits):03}{digits}"

    padded = (re.sub(r"\d+", counted, stem) for stem in stems)
    # A table of Pandas takes 1 KB an image to sort.
    table = pa.table({"label": labels, "padded": pa.array(padded), "full": pa.array(full)})
    keys = [(name, "ascending") for name in table.column_names]
    order: Rows = pc.sort_indices(table, sort_keys=keys).to_numpy()
    return order


def _counts_anew(table: pd.DataFrame, pattern: str) -> bool:
    """Return whether the names of a class, also those of no series, are the first ones of another.

    So they are if each class is numbered from 0, whatever its size. Names in two classes that leave
    gaps may be of patients.
    """
    names = ("/" + table["full"]).str.extract(f"{pattern}$")[0].fillna(table["full"])
    of_classes = names.groupby(table["label"]).unique()  # by number, as the table is
    every = of_classes.explode()
    shared = set(every[every.duplicated()])
    # One class stands for all others: pairs would be too many.
    *others, largest = sorted(
        of_classes, key=lambda some: (len(shared.intersection(some)), len(some))
    )
    places = {name: place for place, name in enumerate(largest, 1)}
    for some in others:
        common = [places[name] for name in some if name in places]
        if len(common) >= max(_MIN_SERIES, _NESTED * max([len(some), *common])):
            return True
    return False


def _group_by(pattern: str, files: Sequence[str], *, counts_anew: bool) -> str:
    """Return the pattern for any path or URL, also for those without such a name.

    If names count anew in each class, the folder is a part of the group.
    """
    end = "/*$" if any(file.endswith("/") for file in files) else "$"
    if counts_anew:
        return f"/([^/]+){pattern}{end}|([^/]+){end}"
    return f"{pattern}{end}" if "+?" in pattern else f"{pattern}{end}|([^/]+){end}"


def _names(full: pd.Series, pattern: str) -> pd.Series:
    """Return a number for the name of each image's series; null if no other text has this name."""
    names = ("/" + full).str.extract(f"{pattern}$")[0]
    codes = pd.Series(pd.factorize(names)[0], name="name")
    return codes.where(codes.isin(codes[names.notna() & (names != full)]))


def _up_to(number: int) -> str:
    """Return a pattern whose group is the text up to a number of a name; 0: before the first."""
    digits = r"[^/\d]+".join(number * [r"\d+"])
    return rf"/([^/\d]*{digits or '[^/0-9 _.(-]'})[^/]*"


def _without_endings(names: Sequence[str]) -> list[str]:
    """Return patterns whose group is a name without suffixes of tools: all, and those of forms."""
    endings = "\n".join(found[0] for name in names if (found := _ENDING.search(name)))
    forms = [form for form in _FORMS if re.search(form, endings, re.IGNORECASE)]
    words = {word.lower() for word in re.findall(f"[ _(-]+({_WORDS})", endings, re.IGNORECASE)}
    every = [*forms, _NUMBERED.format("|".join(sorted(words)))] if words else forms
    return [f"/([^/]+?)(?i:{'|'.join(some)})*" if some else "/([^/]+)" for some in (every, forms)]


def _pairs(table: pd.DataFrame, shifts: Sequence[int]) -> pd.DataFrame:
    """Return pairs of rows of one class at some distances by name; of very many, evenly spaced ones."""
    label = table["label"]
    some = label[:: len(label) * len(shifts) // _MAX_LISTED + 1]
    found = pd.concat(
        pd.DataFrame({"a": some.index, "b": some.index + shift, "label": some}) for shift in shifts
    )
    pairs: pd.DataFrame = found[found["label"].array == label.reindex(found["b"]).array]
    return pairs


def _look_alike(
    near: pd.DataFrame, apart: pd.DataFrame, rows: Rows, greys: Greys, least: float
) -> bool:
    """Return whether at least a share of neighbours is far more alike than other pairs."""
    if len(near) < _MIN_PAIRS:
        return False
    distances = _compare(apart, rows, greys).groupby("label")["distance"]
    limits = distances.quantile(_CLOSE)[distances.size() >= _MIN_OTHERS]
    found = _compare(near[near["label"].isin(limits.index)], rows, greys)
    close = found["distance"] < found["label"].map(limits.to_dict()).astype(float)
    needed = max(_MIN_SHARE * _MIN_PAIRS, least * len(found))
    return len(found) >= _MIN_PAIRS and close.sum() >= needed


def _compare(pairs: pd.DataFrame, rows: Rows, greys: Greys) -> pd.DataFrame:
    """Return evenly spaced pairs with the ``distance`` of their images.

    It is small for images that were turned, mirrored, cropped a little or exposed otherwise: the
    correlation of 8 x 8 means, the best of eight orientations, and that of the sorted greys.
    """
    pairs = pairs[:: len(pairs) // _MAX_PAIRS + 1]
    images = [greys[rows[pairs[name]]] for name in "ab"]
    tones = [
        _unit(np.sort(image.reshape(-1, SIDE * SIDE), kind="stable")[:, ::16]) for image in images
    ]
    one, other = (image.reshape(-1, 8, SIDE // 8, 8, SIDE // 8).sum((2, 4)) for image in images)
    views = [np.rot90(side, turns, (1, 2)) for side in (other, other.mT) for turns in range(4)]
    likeness = np.max([(_unit(one) * _unit(view)).sum(axis=1) for view in views], axis=0)
    return pairs.assign(distance=(1 - likeness) * (1 - (tones[0] * tones[1]).sum(axis=1)))


def _unit(values: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """Return rows of mean 0 and length 1; 0 if constant."""
    rows = values.reshape(len(values), 64).astype(np.float64)
    rows -= rows.mean(axis=1, keepdims=True)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 0.5)
    return rows


def _is_same(names: pd.Series, pairs: pd.DataFrame) -> npt.NDArray[np.bool_]:
    one, other = (names.to_numpy()[pairs[name]] for name in "ab")
    return np.asarray(one == other, bool)  # nulls differ
