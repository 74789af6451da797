"""Find images that differ between two revisions, and drift of their distributions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.cells import parse_cells
from pixmill.core.manifest import TEXT, corrections
from pixmill.core.params import CompareParams
from pixmill.core.params.reference import plain
from pixmill.evaluate.predictions import held_out
from pixmill.experiments.compare.answers import head_of_table
from pixmill.experiments.compare.changes import find_changed_params
from pixmill.experiments.compare.comparison import MEASURES, DataDifference, Drift, Revision
from pixmill.metrics.significance import holm

CHANGES = ("added", "labelled", "removed", "relabelled", "moved", "dropped", "restored")
"""Kinds of changes of an image, in the order of tables and pages."""

_FACTS = ("label", "split", "reason")
"""Columns that are compared."""

_ORIGIN = ("source", "image_url", "path")
_SPLITTING = ("split.salt", "split.val", "split.test", "split.group_by", "split.folds")
"""Params that assign images to splits."""

_MIN_IMAGES = 10
"""Images that a test of a distribution needs."""

_SIGNIFICANT = 0.05


def compare_data(base: Revision, head: Revision, settings: CompareParams) -> DataDifference | None:
    """Compare the images of two revisions.

    Each image that differs is one row, with its most important change:

    - ``added`` and ``removed``: only one revision has the image. ``head_reason`` of an added image,
      or ``base_reason`` of a removed one, is the reason if that revision drops it.
    - ``labelled``: it had no label before, and is kept now.
    - ``dropped`` and ``restored``: both revisions have it, and one keeps it.
    - ``relabelled``: both keep it, under different labels; its split may differ, too.
    - ``moved``: both keep it under the same label, in different splits.

    The column ``source`` is ``feedback`` for images from the inbox. Absent values are ``pd.NA``.

    If one revision has no manifest, only kept images are compared, which predictions list as well.
    A dropped image then counts as removed, and its source is unknown unless the other revision has
    a manifest.

    Drift is measured between the kept images of both revisions: shares of classes and of Pillow's
    colour modes, such as ``RGB`` and ``L``, by their total variation distance with a chi-squared
    test, measurements by the Kolmogorov-Smirnov statistic. The tests are conservative, since many
    images are in both revisions. Features are compared through the head's predictions of added
    images and of all others: the largest statistic over the classes, with Bonferroni's correction
    (Lipton, Wang and Smola, "Detecting and Correcting for Label Shift with Black Box Predictors",
    ICML 2018; Rabanser, Günnemann and Lipton, "Failing Loudly: An Empirical Study of Methods for
    Detecting Dataset Shift", NeurIPS 2019). Images that the model was fitted to are excluded.
    Distributions of fewer than ten images are not compared.

    Args:
        base: Revision to compare with.
        head: Revision under review.
        settings: ``drift`` is the smallest distance that counts.

    Returns:
        The difference; ``None`` if a revision has neither manifest nor predictions.
    """
    complete = base.manifest is not None and head.manifest is not None
    before = _images(base, complete=complete)
    after = _images(head, complete=complete)
    if before is None or after is None:
        return None
    images = _differences(before, after)
    compared = ["label", "mode", *MEASURES]
    first = before.loc[before["kept"], compared]
    second = after.loc[after["kept"], compared]
    added = images.loc[images["change"].isin(["added", "labelled"]), "id"]
    tested = after.loc[after["split"] == "test", "id"]
    return DataDifference(
        base_images=int(before["kept"].sum()),
        head_images=int(after["kept"].sum()),
        resplit=tuple(
            f"{change.name} changed from {plain(change.base)} to {plain(change.head)}"
            for change in find_changed_params(base, head)
            if change.name in _SPLITTING
        ),
        images=images,
        drift=_drift(first, second, head.predictions, added, settings.drift),
        near_test=_near_test(head.pairs, added, tested),
    )


def _images(revision: Revision, *, complete: bool) -> pd.DataFrame | None:
    """Return a revision's images with the column ``kept``: all, or only the kept ones."""
    frame = revision.predictions if revision.manifest is None else revision.manifest
    if frame is None:
        return None
    kept = np.ones(len(frame), bool)
    if revision.manifest is not None:
        kept = (frame["verdict"] == "keep").to_numpy(bool)
    if not complete:
        frame = frame[kept]
        kept = kept[kept]
    frame = frame.reindex(columns=["id", *_FACTS, *_ORIGIN, "mode", *MEASURES]).astype(
        dict.fromkeys(("id", *_FACTS, *_ORIGIN, "mode"), TEXT) | dict.fromkeys(MEASURES, "Float32")
    )
    return frame.assign(kept=pd.array(kept, dtype="boolean"))


def _differences(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    facts = ["kept", *_FACTS]
    first = before.set_index("id")[facts].add_prefix("base_")
    second = after.set_index("id")[facts].add_prefix("head_")
    both = first.join(second, how="outer")
    was = both["base_kept"].fillna(value=False)
    stays = both["head_kept"].fillna(value=False)
    relabelled = (both["base_label"] != both["head_label"]).fillna(value=False)
    moved = (both["base_split"] != both["head_split"]).fillna(value=False)
    happened = {
        "added": both["base_kept"].isna(),
        "removed": both["head_kept"].isna(),
        "dropped": was & ~stays,
        "labelled": ~was & stays & both["base_label"].isna() & both["head_label"].notna(),
        "restored": ~was & stays,
        "relabelled": was & relabelled,
        "moved": was & moved,
    }
    both["change"] = np.select(
        [here.to_numpy(bool) for here in happened.values()], list(happened), default=""
    )
    images = both[both["change"] != ""].reset_index().join(_origins(before, after), on="id")
    images["change"] = pd.Categorical(images["change"], CHANGES)
    columns = [
        "id",
        "change",
        *(f"{name}_{fact}" for fact in _FACTS for name in ("base", "head")),
        *_ORIGIN,
    ]
    label = images["head_label"].fillna(images["base_label"])
    images = images.assign(key=label).sort_values(["change", "key", "id"], ignore_index=True)[
        columns
    ]
    return images.astype({"change": TEXT})


def _origins(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Return the origin of images by id: the head's if it has sources, otherwise the base's."""
    revisions = (after, before) if after["source"].notna().any() else (before, after)
    known = pd.concat(revisions).drop_duplicates("id").set_index("id")[list(_ORIGIN)]
    return known.assign(source=known["source"].mask(corrections(known), "feedback"))


def _drift(
    before: pd.DataFrame,
    after: pd.DataFrame,
    predictions: pd.DataFrame | None,
    added: pd.Series[Any],
    threshold: float,
) -> tuple[Drift, ...]:
    found = list(_distances(before, after))
    if predictions is not None and (features := _features(predictions, added)) is not None:
        found.append(("features of added images", *features))
    adjusted = holm([p for *_, p in found])
    return tuple(
        Drift(what, distance, float(p), bool(distance >= threshold and p < _SIGNIFICANT))
        for (what, distance, _), p in zip(found, adjusted, strict=True)
    )


def _distances(before: pd.DataFrame, after: pd.DataFrame) -> Iterator[tuple[str, float, float]]:
    """Yield each property with its distance and p-value."""
    from scipy.stats import chi2_contingency

    first_values = _properties(before)
    second_values = _properties(after)
    for what in [name for name in first_values if name in second_values]:
        both = [first_values[what].value_counts(), second_values[what].value_counts()]
        counts = pd.concat(both, axis=1).fillna(0).to_numpy(float)
        if counts.sum(axis=0).min() >= _MIN_IMAGES:
            first, second = (counts / counts.sum(axis=0)).T
            yield (
                what,
                float(np.abs(first - second).sum() / 2),
                float(chi2_contingency(counts).pvalue),
            )
    for name in MEASURES:
        values = [revision[name].dropna().to_numpy(np.float32) for revision in (before, after)]
        if min(map(len, values)) >= _MIN_IMAGES:
            yield name.replace("_", " "), *_kolmogorov_smirnov(*values)


def _properties(revision: pd.DataFrame) -> dict[str, pd.Series[Any]]:
    """Return what each image is, by property; several labels are a property each."""
    modes = {"colour modes": revision["mode"]}
    if head_of_table(revision).is_exclusive:
        return {"class shares": revision["label"], **modes}
    cells = pd.DataFrame([parse_cells(text) for text in revision["label"]])
    return {f"the label {name}": cells[name] for name in sorted(map(str, cells))} | modes


def _features(predictions: pd.DataFrame, added: pd.Series[Any]) -> tuple[float, float] | None:
    unseen = predictions[held_out(predictions)]
    new = unseen["id"].isin(added).to_numpy(bool)
    given = unseen.filter(regex="^p_").select_dtypes("number").dropna(axis=1).to_numpy(np.float32).T
    if min(new.sum(), (~new).sum()) < _MIN_IMAGES or not len(given):
        return None
    found = [_kolmogorov_smirnov(values[new], values[~new]) for values in given]
    return max(distance for distance, _ in found), min(1.0, len(found) * min(p for _, p in found))


def _kolmogorov_smirnov(
    first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]
) -> tuple[float, float]:
    from scipy.stats import ks_2samp

    result = ks_2samp(first, second, method="asymp")
    return float(result.statistic), float(result.pvalue)


def _near_test(
    pairs: pd.DataFrame | None, added: pd.Series[Any], tested: pd.Series[Any]
) -> pd.DataFrame:
    """Return pairs of an added image and a similar test image of the head, most similar first."""
    columns = ["id", "test_id", "similarity"]
    table = pd.DataFrame(columns=["a", "b"]) if pairs is None else pairs
    orders = (
        table.rename(columns=dict(zip(order, columns, strict=False)))
        for order in (("a", "b"), ("b", "a"))
    )
    both = pd.concat([order.reindex(columns=columns) for order in orders])
    near = both[both["id"].isin(added) & both["test_id"].isin(tested)]
    near = near.astype({"id": TEXT, "test_id": TEXT, "similarity": float})
    return near.sort_values(
        ["similarity", "id", "test_id"], ascending=[False, True, True], ignore_index=True
    )
