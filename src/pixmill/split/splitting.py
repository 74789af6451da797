"""The stage's one function: kept pictures in, parts and packed arrays out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pixmill.errors import ManifestError, SplitError
from pixmill.params import SplitParams
from pixmill.parts import PARTS
from pixmill.split.assignment import part_of
from pixmill.split.packing import Packed, pack
from pixmill.split.straddling import crossing, straddlers

__all__ = ["Split", "assign", "split"]


@dataclass(frozen=True)
class Split:
    """Hold what the stage found.

    Args:
        manifest: The table with ``split`` and ``row``, sorted by id.
        metrics: Pictures by part and class, and how many were dropped here.
        preprocessing: How a picture became what is packed: ``image_size`` and ``aspect``.
    """

    manifest: pd.DataFrame
    metrics: dict[str, Any]
    preprocessing: dict[str, Any]

    def summary(self) -> str:
        """Return in one line how many pictures each part has."""
        sizes = ", ".join(f"{sum(self.metrics[part].values()):,} {part}" for part in PARTS)
        return f"{sizes}; {self.metrics['dropped']:,} dropped as too like a picture of another part"


def split(
    manifest: pd.DataFrame,
    pairs: pd.DataFrame,
    params: SplitParams,
    *,
    classes: Sequence[str],
    pictures: Path,
    out: Path,
) -> Split:
    """Give each kept picture its part, and pack the parts.

    Args:
        manifest: What validate wrote, sorted by id.
        pairs: Verified near-duplicates: the columns ``a`` and ``b`` are ids.
        params: The section ``split``.
        classes: The labels, in the order of the params.
        pictures: The folder that the manifest's paths are relative to.
        out: Where ``train.npy``, ``val.npy`` and ``test.npy`` go.

    Raises:
        SplitError: A class has no picture in some part.
        ManifestError: A picture is absent or not what validate saw, or its label is no class.
    """
    assigned = assign(manifest, list(zip(pairs["a"], pairs["b"], strict=True)), params, classes=classes)
    kept = assigned[assigned["split"].notna()]
    counts = _counts(kept, classes)
    sizes = {part: sum(counts[part].values()) for part in PARTS}
    pack(
        [
            Packed(name, pictures / path, pixels, part, row)
            for name, path, pixels, part, row in zip(
                kept["id"], kept["path"], kept["width"] * kept["height"], kept["split"], kept["row"], strict=True
            )
        ],
        out,
        sizes,
        image_size=params.image_size,
        aspect=params.aspect,
    )
    dropped = int((manifest["verdict"] == "keep").sum()) - len(kept)
    preprocessing = {"image_size": params.image_size, "aspect": params.aspect}
    return Split(assigned, {"dropped": dropped, **counts}, preprocessing)


def assign(
    manifest: pd.DataFrame, pairs: list[tuple[str, str]], params: SplitParams, *, classes: Sequence[str]
) -> pd.DataFrame:
    """Return the manifest with the columns ``split`` and ``row``, and the verdicts of what would straddle.

    Args:
        manifest: What validate wrote, sorted by id.
        pairs: Verified near-duplicates, by id.
        params: The section ``split``.
        classes: The labels.

    Raises:
        ManifestError: A kept picture has a label that is no class.
        SplitError: A class has no picture in some part.
    """
    table = manifest.copy()
    strange = sorted(set(table.loc[table["verdict"] == "keep", "label"]) - set(classes))
    if strange:
        raise ManifestError(
            f"validate kept pictures of {', '.join(strange)}, which is not among the classes of params.yaml",
            next="dvc repro -f validate",
        )
    parts = {
        identity: part_of(identity, salt=params.salt, val=params.val, test=params.test)
        for identity in table.loc[table["verdict"] == "keep", "id"]
    }
    dropped = straddlers(parts, pairs)
    for identity in dropped:
        del parts[identity]
    straddling = table["id"].isin(dropped)
    table.loc[straddling, "verdict"] = "drop"
    table.loc[straddling, "reason"] = "straddles:" + table.loc[straddling, "id"].map(dropped)
    table["split"] = table["id"].map(parts).astype(table["id"].dtype)
    table["row"] = table.groupby("split").cumcount().where(table["split"].notna()).astype("Int32")
    _check(table, pairs, params, classes)
    return table


def _check(table: pd.DataFrame, pairs: list[tuple[str, str]], params: SplitParams, classes: Sequence[str]) -> None:
    kept = table[table["split"].notna()]
    across = crossing(dict(zip(kept["id"], kept["split"], strict=True)), pairs)
    if across or not table["id"].is_unique:
        raise AssertionError(f"a picture or a near-duplicate pair lies in two parts: {across[:3]}")
    counts = _counts(kept, classes)
    lines = [
        f"the class '{label}' has no picture in {part}, of {sum(counts[other][label] for other in PARTS)} in all"
        for label in classes
        for part in PARTS
        if not counts[part][label]
    ]
    if lines:
        raise SplitError(
            "\n".join(lines),
            next=f"bring more pictures of it, or change split.val ({params.val}), split.test ({params.test}) or "
            "split.salt in params.yaml, then: dvc repro",
        )


def _counts(kept: pd.DataFrame, classes: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return the pictures by part and class, zeros included."""
    sizes = kept.groupby(["split", "label"]).size()
    return {part: {label: int(sizes.get((part, label), 0)) for label in classes} for part in PARTS}
