"""Cases of a project with several labels an image: each question is about one label."""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain

from pixmill.core.cells import merge_cells, parse_cells
from pixmill.core.decisions import Decided
from pixmill.core.errors import ManifestError
from pixmill.review.cases import Case, Kind, dropped_cases, near_duplicates
from pixmill.review.review_tables import ReviewTables

CELL_KINDS: tuple[Kind, ...] = (
    "feedback",
    "disputed",
    "conflicts",
    "labels",
    "near-duplicates",
    "dropped",
)
"""Kinds of cases, most urgent first."""


def find_cell_cases(
    tables: ReviewTables,
    feedback: Iterable[Case],
    *,
    flips: None,  # noqa: ARG001 (of one label an image)
    decided: Mapping[int, Decided],
    only: Kind | None,
) -> list[Case]:
    """Return the cases by urgency of their kinds; see :func:`pixmill.review.cases.find_cases`."""
    found: dict[Kind, Iterable[Case]] = {
        "feedback": feedback,
        "disputed": _disputed(decided),
        "conflicts": _conflicts(tables),
        "labels": _doubtful(tables),
        "near-duplicates": near_duplicates(tables, [""] * len(tables.ids)),
        "dropped": dropped_cases(tables),
    }
    return [*chain.from_iterable(found[kind] for kind in ([only] if only else CELL_KINDS))]


def ask_cell(kind: Kind, row: int, label: str, why: str, suggestion: str | None = None) -> Case:
    """Return the case that asks whether an image has a label."""
    return Case(kind, f"Does it show '{label}'?", why, (row,), suggestion=suggestion, label=label)


def _disputed(decided: Mapping[int, Decided]) -> Iterator[Case]:
    for row, of in decided.items():
        for label in of.disputed if of.fate != "drop" else ():
            why = f"People disagree: {of.dispute()}."
            if label:
                yield ask_cell("disputed", row, label, why)
            else:
                yield Case("disputed", "Does it stay?", why, (row,))


def _conflicts(tables: ReviewTables) -> Iterator[Case]:
    for name, texts in tables.labels_that_came().items():
        row = tables.row(name)
        if row is not None:
            for label in merge_cells(map(cells_of, texts))[1]:
                yield ask_cell("conflicts", row, label, "The same image came with yes and with no.")


def _doubtful(tables: ReviewTables) -> Iterator[Case]:
    """Yield the cells that evaluate doubts, unless they have changed since."""
    if tables.ranking is None:
        return
    doubts = tables.ranking[["id", "label", "suggested"]]
    for name, label, suggested in doubts.itertuples(index=False):
        row = tables.row(name)
        if row is None or tables.manifest["verdict"].iat[row] != "keep":
            continue
        known = cells_of(tables.labels[row]).get(label)
        if bool(known) is not (suggested == "yes"):
            said = "Unknown" if known is None else f"Labelled {'yes' if known else 'no'}"
            why = f"{said}; a model that was not trained on this image says {suggested}."
            yield ask_cell("labels", row, label, why, suggested)


@lru_cache(1 << 16)
def cells_of(text: str | None) -> dict[str, bool]:
    """Return the cells of a text, none of one from before the task changed; never change them."""
    try:
        return parse_cells(text or None)
    except ManifestError:
        return {}
