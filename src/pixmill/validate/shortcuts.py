"""Shortcuts: properties of the files, unrelated to their content, that reveal the class."""

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
"""Properties that also depend on the content: towers are tall, trousers have more white background.
"""

_CATEGORICAL = ("source", "host", "format", "colour_mode")
"""Categorical properties; the others are numbers."""

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
    "bytes_per_pixel": (
        "have {} bytes per pixel",
        "collect images of the same quality for every class",
    ),
    "brightness": ("have a brightness of {}", "collect images in the same light for every class"),
    "border": (
        "have a uniform border on {} of the area",
        "collect images with the same background for every class",
    ),
}
"""Properties, each with a phrase for examples and advice."""

_MAX_APPEARANCE_SKILL = 0.95
"""Maximum skill of :data:`APPEARANCE` that passes; content alone reached 0.93 (CIFAR-10, MNIST)."""

_MAX_IMAGES = 20_000
"""Maximum number of images, divided evenly among the classes; enough for two decimals."""

_MIN_GROUPS = 20
"""Minimum groups of near-duplicates of a class; with fewer, chance can reach a skill of 0.5."""

_MAX_VALUES = 10
"""Number of distinguished values of a categorical property, most frequent first."""

_FOLDS = 5

_SITE = r"([^.]+\.(?:[a-z]{1,3}\.[a-z]{2}|[a-z]+))$"
"""Site of a host: its last two labels, or three as in ``shop.co.uk``."""

Values = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


def find_shortcuts(manifest: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return how well each property separates one class from the others, best first.

    For each property, decision trees of depth 3 predict the classes of held-out images, with
    near-duplicates in the same fold. The skill for a class is its recall minus the share of other
    images predicted as it (Youden's J, classes weighted equally): 1 for perfect separation, 0 for
    guessing, also with unbalanced classes. The skill of a property is that of its best class.

    Args:
        manifest: The columns of :data:`pixmill.core.manifest.VALIDATED`, sorted by id.
        classes: The classes.

    Returns:
        :data:`SHORTCUTS`, one row per property: ``skill`` to three decimals; ``label`` of the best
        class; ``example``, the value or limit that best separates it; ``advice`` as a clause.
        Properties with one value are left out. The table is empty if fewer than two classes have 20
        images (near-duplicates count as one).
    """
    kept = manifest[(manifest["verdict"] == "keep") & manifest["label"].isin(list(classes))]
    sizes = kept.groupby("label")["group"].nunique()
    labels = [label for label in classes if sizes.get(label, 0) >= _MIN_GROUPS]
    # Ids are digests, so the first ones are a random sample.
    kept = (
        kept[kept["label"].isin(labels)]
        .groupby("label")
        .head(max(_MIN_GROUPS, _MAX_IMAGES // max(1, len(labels))))
    )
    y = pd.Categorical(kept["label"], categories=labels).codes.astype(np.int64)
    folds = _folds(kept["group"], y)
    properties = _properties(kept)
    rows = []
    for name, (_, advice) in _PROPERTIES.items():
        if len(labels) > 1 and properties[name].nunique() > 1:
            values = _columns(properties[name])
            skills = _skills(values.to_numpy(np.float64), y, folds).clip(0).round(3)
            rows.append(
                (
                    name,
                    skills.max(),
                    *_example(name, values, y, int(skills.argmax()), labels),
                    advice,
                )
            )
    found = pd.DataFrame(rows, columns=list(SHORTCUTS)).astype({"skill": float})
    return found.sort_values("skill", ascending=False, kind="stable", ignore_index=True)


def _properties(kept: pd.DataFrame) -> pd.DataFrame:
    addresses = kept["image_url"].fillna(kept["page_url"]).astype("string").str.lower()
    hosts = addresses.str.extract(r"^[a-z]+://([^/?#:]*)")[0]
    sizes = kept["bytes"] / (kept["width"] * kept["height"])
    sites = hosts.str.extract(_SITE)[0].fillna(hosts)
    columns = kept.assign(host=sites, colour_mode=kept["mode"], bytes_per_pixel=sizes)
    words = {name: columns[name].fillna("unknown").astype(object) for name in _CATEGORICAL}
    numbers = dict.fromkeys(set(_PROPERTIES) - set(_CATEGORICAL), float)
    # Rounded, so that limits in examples are exact.
    return columns.assign(**words)[list(_PROPERTIES)].astype(numbers).round(3)


def _columns(values: pd.Series[Any]) -> pd.DataFrame:
    """Return a property as numeric columns; a categorical one has one per frequent value."""
    if values.name not in _CATEGORICAL:
        return values.to_frame()
    counts = values.value_counts()
    frequent = sorted(counts.index, key=lambda value: (-counts[value], value))[:_MAX_VALUES]
    return pd.DataFrame({value: (values == value).astype(float) for value in frequent})


def _folds(group: pd.Series[Any], y: Codes) -> Codes:
    """Return the fold of each image, stratified by class and without dividing groups."""
    leads = ~group.duplicated().to_numpy()
    turns = pd.Series(y[leads]).groupby(y[leads]).cumcount() % _FOLDS
    return group.map(dict(zip(group[leads], turns, strict=True))).to_numpy(np.int64)


def _skills(values: Values, y: Codes, folds: Codes) -> Values:
    """Return the skill of each class."""
    from sklearn.tree import DecisionTreeClassifier

    sizes = np.bincount(y)
    count = len(sizes)
    predicted = np.empty_like(y)
    for fold in range(_FOLDS):
        rest = folds != fold
        # At least a tenth of an average class, so that leaves do not fit single images.
        leaf = max(5, int(rest.sum()) // (10 * count))
        tree = DecisionTreeClassifier(
            max_depth=3, min_samples_leaf=leaf, class_weight="balanced", random_state=0
        )
        tree.fit(values[rest], y[rest])
        predicted[~rest] = tree.predict(values[~rest])
    shares = 1 / sizes[y]
    right = predicted == y
    recognised = np.bincount(y, shares * right, count)
    return recognised - np.bincount(predicted, shares * ~right, count) / (count - 1)


def _example(
    name: str, values: pd.DataFrame, y: Codes, best: int, labels: Sequence[str]
) -> tuple[str, str]:
    """Return a class, and a sentence with the value that best separates it from the others."""
    from sklearn.tree import DecisionTreeClassifier

    of = y == best
    if name in _CATEGORICAL:
        gaps = (values[of].mean() - values[~of].mean()).round(3)
        value = gaps.idxmax() if gaps.max() >= -gaps.min() else gaps.idxmin()
        has = values[value].to_numpy(bool)
    else:
        stump = DecisionTreeClassifier(max_depth=1, class_weight="balanced", random_state=0)
        column = values[name].to_numpy()
        has = column > stump.fit(values.to_numpy(), of).tree_.threshold[0]
        more = has[of].mean() >= has[~of].mean()
        has = has if more else ~has
        value = (
            f"at least {_figure(column[has].min())}"
            if more
            else f"at most {_figure(column[has].max())}"
        )
    others = f"'{labels[1 - best]}'" if len(labels) == 2 else "other classes"
    return labels[best], (
        f"{has[of].sum():,} of {of.sum():,} images of '{labels[best]}' "
        f"{_PROPERTIES[name][0].format(value)}, "
        f"{has[~of].sum():,} of {(~of).sum():,} of {others}"
    )


def _figure(value: float) -> str:
    """Return a number with up to three decimals (``1,060``, ``0.45``)."""
    return f"{value:,.3f}".rstrip("0").rstrip(".")


def shortcut_table(shortcuts: pd.DataFrame, params: ShortcutsParams) -> pd.DataFrame:
    """Return the table that :func:`shortcut_check` reads.

    Args:
        shortcuts: See :func:`find_shortcuts`.
        params: The section ``validate.shortcuts``.

    Returns:
        The shortcuts with ``excess``, the skill minus the highest skill that passes.
    """
    limits = np.where(
        shortcuts["property"].isin(APPEARANCE),
        max(params.skill, _MAX_APPEARANCE_SKILL),
        params.skill,
    )
    return shortcuts.assign(excess=(shortcuts["skill"] - limits).round(3))


def excessive_shortcuts(
    shortcuts: pd.DataFrame, params: ShortcutsParams
) -> list[dict[Hashable, Any]]:
    """Return the rows of ``shortcuts.json``: properties whose skill is too high, highest first.

    Args:
        shortcuts: See :func:`find_shortcuts`.
        params: The section ``validate.shortcuts``.
    """
    found = shortcut_table(shortcuts, params)
    return found.loc[found["excess"] > 0, list(SHORTCUTS)].to_dict("records")


def shortcut_check(params: ShortcutsParams) -> Check:
    """Return the check that no property reveals a class.

    Args:
        params: The section ``validate.shortcuts``.
    """
    return Check(
        name="shortcuts",
        table="shortcuts",
        expectation="ExpectColumnValuesToBeBetween",
        kwargs={"column": "excess", "max_value": 0},
        severity=params.severity,
        parameters=("validate.shortcuts.skill",),
        wanted=f"a skill of at most {params.skill:g}",
        describe=_describe,
    )


def _describe(_: Result, rows: pd.DataFrame) -> list[str]:
    """Return the message of the check."""
    found = rows[rows["excess"] > 0]
    names = ", ".join(
        f"{name.replace('_', ' ')} (skill {skill:g})"
        for name, skill in (found if len(found) else rows.head(1))[
            ["property", "skill"]
        ].itertuples(index=False)
    )
    if not len(found):
        return [f"the most revealing property is {names}" if names else "nothing to learn from"]
    first = found.iloc[0]
    return [f"classes differ in {names}: {first['example']}; {first['advice']}"]
