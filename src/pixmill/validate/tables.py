"""Tables of the checks: one row per image, per near-duplicate pair, and per class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.words import count
from pixmill.validate.blur import blur_limit

_MEASURES = ("width", "height", "format", "brightness", "sharpness", "entropy")


def image_table(
    images: pd.DataFrame,
    *,
    settled: npt.NDArray[np.bool_],
    repeated: pd.DataFrame,
    leaks: pd.DataFrame,
    min_sharpness: float,
) -> pd.DataFrame:
    """Return one row per image, without images dropped by a decision.

    Args:
        images: The validated manifest with an additional column ``failure``.
        settled: Mask of images that a decision keeps; their measures are not checked.
        repeated: See :func:`pixmill.validate.findings.find_repeated`.
        leaks: See :func:`pixmill.validate.findings.find_leaks`.
        min_sharpness: ``validate.blurred.min_sharpness``.

    Returns:
        ``id``, ``label``, ``pixels`` and ``failure``; the measures of images with pixels and without a decision:
        ``width``, ``height``, ``elongation`` (longer by shorter side), ``format``, ``brightness``, ``sharpness``,
        ``blur`` (1 below :func:`pixmill.validate.blur.blur_limit`, else 0), ``entropy``, and ``redundant`` (1 for a
        copy or near-duplicate of another image, else 0); the findings, null without one: ``conflict`` (the labels),
        ``placeholder`` (a clause) and ``addresses``, ``leak`` (the splits) and ``leak_places``.
    """
    dropped = (images["reason"] == "review").fillna(False).to_numpy(bool)
    readable = images["pixels"].notna().to_numpy()
    table: pd.DataFrame = images[["id", "label", "pixels", "failure", *_MEASURES]].copy()
    sides = table[["width", "height"]].to_numpy(np.float64, na_value=np.nan)
    # Computed from integers to avoid rounding errors.
    table["elongation"] = sides.max(axis=1) / sides.min(axis=1)
    sharpness = table["sharpness"].to_numpy(np.float64, na_value=np.nan)
    table["blur"] = (sharpness < blur_limit(sharpness[readable], min_sharpness)).astype(np.float64)
    copied = np.zeros(len(images), bool)
    compared = readable & ~dropped
    copied[compared] = images.loc[compared, ["pixels", "width", "height"]].duplicated()
    table["redundant"] = (copied | (images["group"] != images["id"]).to_numpy(bool)).astype(np.float64)
    for name in (*_MEASURES, "elongation", "blur", "redundant"):
        table[name] = table[name].where(readable & ~settled)
    for findings in _findings(repeated, leaks):
        table = table.join(findings.astype(object), on="id")
    return table.loc[~dropped].reset_index(drop=True)


def pair_table(pairs: pd.DataFrame, images: pd.DataFrame, *, settled: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """Return the near-duplicate pairs with their labels, without pairs of which decisions keep both images.

    Args:
        pairs: The columns of :data:`pixmill.core.manifest.PAIRS`.
        images: The validated manifest.
        settled: Mask of images that a decision keeps.

    Returns:
        ``a``, ``b``, ``similarity``, ``label_a`` and ``label_b``.
    """
    index = pd.Index(images["id"])
    places = {side: index.get_indexer(pd.Index(pairs[side])) for side in ("a", "b")}
    table = pairs.assign(
        **{f"label_{side}": images["label"].iloc[rows].to_numpy(dtype=object) for side, rows in places.items()}
    )
    unsettled: pd.DataFrame = table[~(settled[places["a"]] & settled[places["b"]])]
    return unsettled


def _findings(repeated: pd.DataFrame, leaks: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield the columns of each kind of finding, by image id."""
    conflicts, placeholders = (
        repeated[repeated["kind"] == kind].set_index("id") for kind in ("conflict", "placeholder")
    )
    yield conflicts[["labels"]].rename(columns={"labels": "conflict"})
    clauses = [
        f"was found at {count(addresses, 'URL')}, labelled {labels}"
        for addresses, labels in zip(placeholders["addresses"], placeholders["labels"], strict=True)
    ]
    yield placeholders[["addresses"]].assign(placeholder=clauses)
    first = leaks.drop_duplicates("id").set_index("id")
    yield pd.DataFrame(
        {
            "leak": first["part"] + " and " + first["other_part"],
            "leak_places": first["place"] + " and " + first["other_place"],
        }
    )


def class_table(manifest: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return one row per class, including classes without images.

    Args:
        manifest: The validated manifest.
        classes: The classes.

    Returns:
        ``label``, ``n`` (kept images), ``dropped``, and ``ratio_to_largest`` (0 if no class has images).
    """
    kept = manifest["verdict"] == "keep"
    table = pd.DataFrame({"label": list(classes)})
    table["n"] = table["label"].map(manifest.loc[kept, "label"].value_counts()).fillna(0).astype(int)
    table["dropped"] = table["label"].map(manifest.loc[~kept, "label"].value_counts()).fillna(0).astype(int)
    largest = table["n"].max()
    table["ratio_to_largest"] = table["n"] / largest if largest else 0.0
    return table
