"""The tables that the checks read: one row an image, one a pair of near-duplicates, one a class."""

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
    """Return one row an image, except those that a decision dropped.

    Args:
        images: The validated manifest, and ``failure``.
        settled: Which images a decision keeps; their measures are not checked.
        repeated: See :func:`pixmill.validate.findings.find_repeated`.
        leaks: See :func:`pixmill.validate.findings.find_leaks`.
        min_sharpness: ``validate.blurred.min_sharpness``.

    Returns:
        ``id``, ``label``, ``pixels`` and ``failure``; the measures, where there are pixels and nobody has decided:
        ``width``, ``height``, ``elongation`` (the longer side by the shorter), ``format``, ``brightness``,
        ``sharpness``, ``blur`` (1 below :func:`pixmill.validate.blur.blur_limit`, else 0), ``entropy``, and
        ``redundant`` (1 for the copy or near-duplicate of another, else 0); the
        findings, null where there are none: ``conflict`` (the labels), ``placeholder`` (a clause) and ``addresses``,
        ``leak`` (the parts) and ``leak_places``.
    """
    dropped = (images["reason"] == "review").fillna(False).to_numpy(bool)
    readable = images["pixels"].notna().to_numpy()
    table: pd.DataFrame = images[["id", "label", "pixels", "failure", *_MEASURES]].copy()
    sides = table[["width", "height"]].to_numpy(np.float64, na_value=np.nan)
    # Of whole numbers, so that a ratio is just what a person would compute.
    table["elongation"] = sides.max(axis=1) / sides.min(axis=1)
    sharpness = table["sharpness"].to_numpy(np.float64, na_value=np.nan)
    table["blur"] = (sharpness < blur_limit(sharpness[readable], min_sharpness)).astype(np.float64)
    table["redundant"] = _redundant(images, readable & ~dropped)
    for name in (*_MEASURES, "elongation", "blur", "redundant"):
        table[name] = table[name].where(readable & ~settled)
    for findings in _findings(repeated, leaks):
        table = table.join(findings.astype(object), on="id")
    return table.loc[~dropped].reset_index(drop=True)


def pair_table(pairs: pd.DataFrame, images: pd.DataFrame, *, settled: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """Return the near-duplicates with their labels, except pairs of which decisions keep both.

    Args:
        pairs: The columns of :data:`pixmill.core.manifest.PAIRS`.
        images: The validated manifest.
        settled: Which images a decision keeps.

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


def _redundant(images: pd.DataFrame, counted: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    copied = np.zeros(len(images), bool)
    copied[counted] = images.loc[counted, ["pixels", "width", "height"]].duplicated()
    return (copied | (images["group"] != images["id"]).to_numpy(bool)).astype(np.float64)


def _findings(repeated: pd.DataFrame, leaks: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield what stands beside an image that has a finding, by its id."""
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
    """Return one row a declared class, in their order, with or without images.

    Args:
        manifest: The validated manifest.
        classes: The declared labels.

    Returns:
        ``label``, ``n`` (kept images), ``dropped``, and ``ratio_to_largest`` (0 where no class has an image).
    """
    kept = manifest["verdict"] == "keep"
    table = pd.DataFrame({"label": list(classes)})
    table["n"] = table["label"].map(manifest.loc[kept, "label"].value_counts()).fillna(0).astype(int)
    table["dropped"] = table["label"].map(manifest.loc[~kept, "label"].value_counts()).fillna(0).astype(int)
    largest = table["n"].max()
    table["ratio_to_largest"] = table["n"] / largest if largest else 0.0
    return table
