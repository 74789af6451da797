"""Shortcuts: properties of the files, not of what they show, that give the class away."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.expectations import Check, Result
from pixmill.core.params.validate import ShortcutsParams

SHORTCUTS = ("property", "skill", "label", "example", "advice")

APPEARANCE = ("aspect_ratio", "bytes_per_pixel", "brightness", "border")
"""Properties that also depend on what an image shows: a tower is tall, a trouser leaves more of a white ground free."""

_WORDS = ("source", "host", "format", "colour_mode")
"""Properties that are words; the others are numbers."""

_PROPERTIES = {
    "source": ("come from the source '{}'", "collect every class from the same sources"),
    "host": ("come from the host '{}'", "collect every class from the same sites"),
    "format": (
        "have the format '{}'",
        "collect every class in one format: converting files does not remove their artefacts",
    ),
    "colour_mode": (
        "have the colour mode '{}'",
        "collect every class in one colour mode, or convert all images to greyscale",
    ),
    "width": ("are {} pixels wide", "collect images of the same sizes for every class"),
    "height": ("are {} pixels high", "collect images of the same sizes for every class"),
    "aspect_ratio": ("have an aspect ratio of {}", "crop the images of all classes alike"),
    "bytes_per_pixel": ("have {} bytes per pixel", "collect images of the same quality for every class"),
    "brightness": ("have a brightness of {}", "collect images in the same light for every class"),
    "border": ("have a uniform border on {} of the area", "collect images with the same background for every class"),
}
"""Each property, how an example names its values, and what to do where it gives the class away."""

_CONTENT = 0.95
"""The highest skill of :data:`APPEARANCE` that passes: content alone reached 0.93 (Fashion-MNIST, MNIST, CIFAR-10)."""

_IMAGES = 20_000
"""Most images that are looked at, divided evenly among the classes: they give two decimals in a second or two."""

_LEAST = 20
"""Fewest groups of near-duplicates that a class must have: of fewer, chance alone can reach a skill of 0.5."""

_VALUES = 10
"""Values of a word that are told apart, the most frequent first."""

_FOLDS = 5

_SITE = r"([^.]+\.(?:[a-z]{1,3}\.[a-z]{2}|[a-z]+))$"
"""The site of a host: its last two labels, or three as in ``shop.co.uk``."""

Values = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


def find_shortcuts(manifest: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return how well each property tells one class from the others, the best first.

    For each property, decision trees of depth 3 predict the classes of images that they were not fitted to;
    near-duplicates are never on both sides. The skill for a class is the share of its images that are recognised, less
    the share of the other classes' images that are taken for it (Youden's J, each class weighing the same): 1 where
    it is always told apart, 0 where the trees guess, also if a class is much larger. The class with the highest counts.

    Args:
        manifest: The columns of :data:`pixmill.core.manifest.VALIDATED`, sorted by id.
        classes: The declared labels.

    Returns:
        :data:`SHORTCUTS`, one row a property: the ``skill`` to three decimals; the ``label`` of that class; an
        ``example``: the value or limit that best separates it from the others; and what to do, as a clause. Properties
        that are the same for all images are left out; all are where fewer than two classes have 20 images, of which
        near-duplicates count as one.
    """
    kept = manifest[(manifest["verdict"] == "keep") & manifest["label"].isin(list(classes))]
    sizes = kept.groupby("label")["group"].nunique()
    labels = [label for label in classes if sizes.get(label, 0) >= _LEAST]
    # Ids are digests: the first ones are a random sample, and the same on every machine.
    kept = kept[kept["label"].isin(labels)].groupby("label").head(max(_LEAST, _IMAGES // max(1, len(labels))))
    y = pd.Categorical(kept["label"], categories=labels).codes.astype(np.int64)
    folds = _folds(kept["group"], y)
    properties = _properties(kept)
    rows = []
    for name, (_, advice) in _PROPERTIES.items():
        if len(labels) > 1 and properties[name].nunique() > 1:
            values = _columns(properties[name])
            skills = _skills(values.to_numpy(np.float64), y, folds).clip(0).round(3)
            rows.append((name, skills.max(), *_example(name, values, y, int(skills.argmax()), labels), advice))
    found = pd.DataFrame(rows, columns=list(SHORTCUTS)).astype({"skill": float})
    return found.sort_values("skill", ascending=False, kind="stable", ignore_index=True)


def _properties(kept: pd.DataFrame) -> pd.DataFrame:
    addresses = kept["image_url"].fillna(kept["page_url"]).astype("string").str.lower()
    hosts = addresses.str.extract(r"^[a-z]+://([^/?#:]*)")[0]
    sizes = kept["bytes"] / (kept["width"] * kept["height"])
    sites = hosts.str.extract(_SITE)[0].fillna(hosts)
    columns = kept.assign(host=sites, colour_mode=kept["mode"], bytes_per_pixel=sizes)
    words = {name: columns[name].fillna("unknown").astype(object) for name in _WORDS}
    numbers = dict.fromkeys(set(_PROPERTIES) - set(_WORDS), float)
    # Rounded, so that an example names a limit exactly.
    return columns.assign(**words)[list(_PROPERTIES)].astype(numbers).round(3)


def _columns(values: pd.Series[Any]) -> pd.DataFrame:
    """Return a property as numbers: its own, or of a word a column for each frequent value, 1 where it has that."""
    if values.name not in _WORDS:
        return values.to_frame()
    counts = values.value_counts()
    frequent = sorted(counts.index, key=lambda value: (-counts[value], value))[:_VALUES]
    return pd.DataFrame({value: (values == value).astype(float) for value in frequent})


def _folds(group: pd.Series[Any], y: Codes) -> Codes:
    """Return the fold of each image: groups stay whole, and every class is spread evenly."""
    leads = ~group.duplicated().to_numpy()
    turns = pd.Series(y[leads]).groupby(y[leads]).cumcount() % _FOLDS
    return group.map(dict(zip(group[leads], turns, strict=True))).to_numpy(np.int64)


def _skills(values: Values, y: Codes, folds: Codes) -> Values:
    """Return the skill for each class."""
    from sklearn.tree import DecisionTreeClassifier

    sizes = np.bincount(y)
    count, told = len(sizes), np.empty_like(y)
    for fold in range(_FOLDS):
        rest = folds != fold
        # At least a tenth of an average class, so that no leaf rests on single images.
        leaf = max(5, int(rest.sum()) // (10 * count))
        tree = DecisionTreeClassifier(max_depth=3, min_samples_leaf=leaf, class_weight="balanced", random_state=0)
        tree.fit(values[rest], y[rest])
        told[~rest] = tree.predict(values[~rest])
    shares, right = 1 / sizes[y], told == y
    recognised = np.bincount(y, shares * right, count)
    skills: Values = recognised - np.bincount(told, shares * ~right, count) / (count - 1)
    return skills


def _example(name: str, values: pd.DataFrame, y: Codes, best: int, labels: Sequence[str]) -> tuple[str, str]:
    """Return a class, and in words how many of its images, and of the others, have the value that separates it best."""
    from sklearn.tree import DecisionTreeClassifier

    of = y == best
    if name in _WORDS:
        gaps = (values[of].mean() - values[~of].mean()).round(3)
        value = gaps.idxmax() if gaps.max() >= -gaps.min() else gaps.idxmin()
        has = values[value].to_numpy(bool)
    else:
        stump = DecisionTreeClassifier(max_depth=1, class_weight="balanced", random_state=0)
        column = values[name].to_numpy()
        has = column > stump.fit(values.to_numpy(), of).tree_.threshold[0]
        more = has[of].mean() >= has[~of].mean()
        has = has if more else ~has
        value = f"at least {_figure(column[has].min())}" if more else f"at most {_figure(column[has].max())}"
    others = f"'{labels[1 - best]}'" if len(labels) == 2 else "other classes"
    return labels[best], (
        f"{has[of].sum():,} of {of.sum():,} images of '{labels[best]}' {_PROPERTIES[name][0].format(value)}, "
        f"{has[~of].sum():,} of {(~of).sum():,} of {others}"
    )


def _figure(value: float) -> str:
    """Return a number of three decimals as people write it (``1,060``, ``0.45``)."""
    return f"{value:,.3f}".rstrip("0").rstrip(".")


def shortcut_table(shortcuts: pd.DataFrame, params: ShortcutsParams) -> pd.DataFrame:
    """Return the table that :func:`shortcut_check` reads.

    Args:
        shortcuts: See :func:`find_shortcuts`.
        params: The highest skill that passes.

    Returns:
        The same with ``excess``, by how much a skill is too high; at most 0 where it passes.
    """
    limits = np.where(shortcuts["property"].isin(APPEARANCE), max(params.skill, _CONTENT), params.skill)
    return shortcuts.assign(excess=(shortcuts["skill"] - limits).round(3))


def telling(shortcuts: pd.DataFrame, params: ShortcutsParams) -> list[dict[Hashable, Any]]:
    """Return the properties whose skill is too high, the best first: those that ``shortcuts.json`` holds.

    Args:
        shortcuts: See :func:`find_shortcuts`.
        params: The highest skill that passes.

    Returns:
        :data:`SHORTCUTS` of each.
    """
    found = shortcut_table(shortcuts, params)
    return found.loc[found["excess"] > 0, list(SHORTCUTS)].to_dict("records")


def shortcut_check(params: ShortcutsParams) -> Check:
    """Return the check that no property gives a class away.

    Args:
        params: Threshold and severity.
    """
    return Check(
        name="shortcuts",
        table="shortcuts",
        expectation="ExpectColumnValuesToBeBetween",
        kwargs={"column": "excess", "max_value": 0},
        severity=params.severity,
        parameters=("validate.shortcuts.skill",),
        wanted=f"a skill of at most {params.skill:g}",
        describe=_tell,
    )


def _tell(_: Result, rows: pd.DataFrame) -> list[str]:
    """Return the message about the properties in which classes differ, the best first."""
    found = rows[rows["excess"] > 0]
    names = ", ".join(
        f"{name.replace('_', ' ')} (skill {skill:g})"
        for name, skill in (found if len(found) else rows.head(1))[["property", "skill"]].itertuples(index=False)
    )
    if not len(found):
        return [f"the most telling property is {names}" if names else "nothing to learn from"]
    first = found.iloc[0]
    return [f"classes differ in {names}: {first['example']}; {first['advice']}"]
