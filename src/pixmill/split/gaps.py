"""A class that has no picture in some part or fold: a split that nothing can be learnt or told from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pandas as pd

from pixmill.errors import SplitError
from pixmill.params import SplitParams
from pixmill.parts import PARTS

__all__ = ["Gaps", "count_by", "find_gaps", "gap_error"]

_LINES = 20
"""The most gaps that a message tells one by one; the report has more."""


Side = TypeVar("Side", str, int)


@dataclass(frozen=True)
class Gaps:
    """Hold which classes have no picture where they need one.

    Args:
        found: One line each: the class, the part or fold, and how many pictures there are.
        advice: What may mend it, as a clause.
    """

    found: tuple[str, ...]
    advice: str


def count_by(
    manifest: pd.DataFrame, column: str, sides: Iterable[Side], classes: Sequence[str]
) -> dict[Side, dict[str, int]]:
    """Return how many pictures there are by side and class, zeros included.

    Args:
        manifest: The split manifest.
        column: ``split`` or ``fold``.
        sides: The values of that column.
        classes: The labels.
    """
    sizes = manifest[manifest["split"].notna()].groupby([column, "label"]).size().to_dict()
    return {side: {label: int(sizes.get((side, label), 0)) for label in classes} for side in sides}


def find_gaps(
    manifest: pd.DataFrame,
    dropped: pd.DataFrame,
    groups: pd.Series | None,
    params: SplitParams,
    classes: Sequence[str],
) -> Gaps | None:
    """Return where a class has no picture in some part, else in some fold; nothing where each class has.

    Args:
        manifest: The split manifest.
        dropped: What was dropped here, with the column ``id``.
        groups: The name of each row's group; ``None`` where no groups were asked for.
        params: The section ``split``.
        classes: The labels.
    """
    counts = count_by(manifest, "split", PARTS, classes)
    empty = [(label, part) for label in classes for part in PARTS if not counts[part][label]]
    if empty:
        # What people put into folders no fraction and no salt moves.
        taken = manifest[manifest["split"].notna() | manifest["id"].isin(dropped["id"])]
        given = {str(label): bool(rows.notna().all()) for label, rows in taken.groupby("label")["given_split"]}
        divided = bool((taken["given_split"] == "val").any())
        fixed = [(label, part) for label, part in empty if given.get(label) and (part != "val" or divided)]
        lines = [_line(taken, groups, label, part, fixed=(label, part) in fixed) for label, part in empty]
        return Gaps(tuple(lines), "; ".join(_advice(params, fixed, moved=len(empty) > len(fixed))))
    if params.folds is not None:
        counts_of_folds = count_by(manifest, "fold", range(params.folds), classes)
        bare = [(label, fold) for label in classes for fold in range(params.folds) if not counts_of_folds[fold][label]]
        if bare:
            lines = [
                f"the class '{label}' has no picture in fold {fold}, of "
                f"{sum(counts_of_folds[other][label] for other in counts_of_folds)} in train and val"
                for label, fold in bare
            ]
            return Gaps(
                tuple(lines),
                f"bring more pictures of it, or lower split.folds ({params.folds}), or change "
                f"{_knobs(params, 'split.salt')} in params.yaml",
            )
    return None


def gap_error(gaps: Gaps | None, *, report: str) -> SplitError | None:
    """Return the error that stops the pipeline, or nothing where no class lacks pictures.

    Args:
        gaps: Which classes do.
        report: The page to open, as a path that a person can type.
    """
    if gaps is None:
        return None
    more = len(gaps.found) - _LINES
    lines = [*gaps.found[:_LINES], *([f"{more:,} more like these"] if more > 0 else [])]
    return SplitError("\n".join(lines), next=f"open {report}; {gaps.advice}; then: dvc repro")


def _line(taken: pd.DataFrame, groups: pd.Series | None, label: str, part: str, *, fixed: bool) -> str:
    rows = taken[taken["label"] == label]
    kept = rows[rows["split"].notna()]
    line = f"the class '{label}' has no picture in {part}, of {len(kept)} in all"
    if fixed:
        where = rows["given_split"].value_counts().to_dict()
        line += f": people put {' and '.join(f'{where[name]} into {name}' for name in PARTS if name in where)}"
    if groups is not None and len(kept):
        names = groups[kept.index]
        line += f" (in {names.nunique() + names.isna().sum()} groups)"
    dropped = len(rows) - len(kept)
    return line + (f"; {dropped} more straddled two parts and were dropped" if dropped else "")


def _advice(params: SplitParams, fixed: Sequence[tuple[str, str]], *, moved: bool) -> Iterator[str]:
    if fixed:
        folders = ", ".join(dict.fromkeys(f"data/{part}/{label}" for label, part in fixed))
        yield f"put pictures into {folders}, or let the hash part them (scrape.folder.layout: classes)"
    if moved:
        knobs = _knobs(params, f"split.val ({params.val}), split.test ({params.test})", "split.salt")
        yield f"bring more pictures of it, or change {knobs} in params.yaml"


def _knobs(params: SplitParams, *names: str) -> str:
    """Name what may be changed, the grouping among it where there is one."""
    every = [*names, f"split.group_by ({params.group_by})"] if params.group_by else list(names)
    return " or ".join([", ".join(every[:-1]), every[-1]]) if len(every) > 1 else every[0]
