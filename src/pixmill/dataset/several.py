"""Several labels an image in what an import finds: lists of labels, and what they leave open.

While a source is read, several labels are joined by :data:`SEPARATOR`. ``label`` is ``None`` where
nothing says what the image has, and empty where it has none; ``not_label`` is ``None`` where the
source lists only what an image has.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Literal

from pixmill.core.cells import read_list, render_list
from pixmill.core.errors import DataError
from pixmill.core.metadata import Facts
from pixmill.core.words import first_of
from pixmill.dataset.detected import Detected
from pixmill.dataset.table_files import SEPARATOR

Unlisted = Literal["no", "unknown"]
"""What a label is that a list of those of an image does not have."""

_MAX_LIST = 10_000
"""Characters of a list of labels; longer cells are other texts."""

VOTES = "--votes majority"
"""Option by which the rows of an image decide on one label."""

ONE_LABEL = "--task one_label"
"""Option by which images with several labels are left out."""

QUESTION = "Is a label that is not listed absent (no), or unknown (never learned from)?"


def labels_of(cell: str | None) -> list[str]:
    """Return the labels that a cell joins."""
    return [*filter(None, (cell or "").split(SEPARATOR))]


def split_lists(
    cells: Sequence[str], signs: str = "|;, ", *, several: bool | None = None
) -> list[str]:
    """Return cells in which lists of labels are joined by :data:`SEPARATOR`.

    Labels themselves may have such signs, so these separate others only if those are in other
    cells, too, and spaces only if most cells have several. Of ``|`` and ``;``, the one in more cells
    is tried first.

    Args:
        cells: Cells of labels.
        signs: Signs that may separate labels.
        several: Whether an image may have several labels, so that the first sign that occurs, other
            than a space, separates them; or ``;`` if all cells are as :func:`.render_list` writes
            them. If not, only labels with cells of their own make a list.
    """
    known = Counter(cell for cell in cells if 0 < len(cell) <= _MAX_LIST)
    is_ours = several and _are_rendered(known)
    times = {sign: sum(sign in cell for cell in cells) for sign in "|;"}
    for sign in ";" if is_ours else sorted(signs, key=lambda sign: -times.get(sign, 0)):
        parts: Mapping[str, Sequence[str]]
        parts = {cell: parts_of(cell, sign) for cell in known if is_ours or sign in cell}
        if not several or sign == " ":
            parts = _shared(known, parts, sign, is_one=several is False)
        if parts:
            joined = {cell: SEPARATOR.join(each) for cell, each in parts.items()}
            return [joined.get(cell, cell) for cell in cells]
    return [*cells]


def _are_rendered(cells: Collection[str]) -> bool:
    """Return whether all cells are as we write lists, and one shows it."""
    has_sign = any(";" in cell or '"' in cell for cell in cells)
    return has_sign and all(render_list(read_list(cell)) == cell for cell in cells)


def _shared(
    known: Counter[str], parts: Mapping[str, Sequence[str]], sign: str, *, is_one: bool
) -> Mapping[str, Sequence[str]]:
    """Return the lists whose labels are in other cells, too: with one label, in cells of their own.

    Those whose sign is usual in lists only are all lists if one of them shares a label.
    """
    own = known.keys() - parts.keys()
    times = Counter(chain(own, *map(set, parts.values())))
    shared = {*known} if is_one else {label for label in times if times[label] > 1}
    lists = {cell: each for cell, each in parts.items() if shared.issuperset(each)}
    if sign in "|;":
        is_list = is_one or all(map(shared.isdisjoint, parts.values()))
        return lists if is_list else parts
    is_usual = 2 * sum(known[cell] for cell in lists) > known.total()
    return lists if is_usual or (sign == "," and not is_one) else {}


def parts_of(cell: str, sign: str) -> list[str]:
    """Return the labels that a sign separates."""
    return read_list(cell) if sign == ";" else [*filter(None, map(str.strip, cell.split(sign)))]


def settle(
    found: Detected,
    labels: Sequence[str],
    unlisted: Unlisted | None,
    ask: Callable[[str], Unlisted] | None,
) -> Detected:
    """Return images whose facts list the labels that they have and have not.

    Args:
        found: The images, as read.
        labels: The labels to take.
        unlisted: What a label is that a source does not list. Default: it is asked.
        ask: Asks for it; ``None``: nobody can answer.

    Raises:
        DataError: It is not given, and nobody can answer.
    """
    has_open = any(map(_is_open, found.facts))
    idle = "--unlisted has no effect: the source says itself what is unknown"
    if unlisted is None and has_open:
        if ask is None:
            votes = f"; or, if the rows of an image are votes on one label, with {VOTES}"
            raise DataError(
                f"{found.recognised}: it says which labels an image has, not which it lacks",
                next="repeat the command with --unlisted no (a label that is not listed is "
                f"absent), or with --unlisted unknown{votes * (VOTES in found.options)}",
            )
        unlisted = ask(f"{found.recognised}: {first_of(labels)}\n{QUESTION}")

    def close(facts: Facts) -> Facts:
        is_closed = unlisted == "no" and _is_open(facts)
        cells = dict.fromkeys(labels if is_closed else labels_of(facts.not_label), False)
        cells |= dict.fromkeys(labels_of(facts.label), True)
        return with_cells(facts, {label: cells[label] for label in labels if label in cells})

    settled = found.changed(close)
    return replace(
        settled,
        recognised=f"{found.recognised}; several labels an image ({first_of(labels) or 'none'})",
        remarks=(
            *found.remarks,
            *([idle] if unlisted and not has_open else []),
            *_describe(settled, labels),
        ),
    )


def named_labels(facts: Facts) -> list[str]:
    """Return the labels that an image is said to have, or to lack."""
    return labels_of(facts.label) + labels_of(facts.not_label)


def _is_open(facts: Facts) -> bool:
    return facts.label is not None and facts.not_label is None


def with_cells(facts: Facts, cells: Mapping[str, bool]) -> Facts:
    """Return facts that list the labels that an image has, and those that it has not."""
    has = sorted(label for label, answer in cells.items() if answer)
    lacks = sorted(cells.keys() - {*has})
    return replace(facts, label=render_list(has) or None, not_label=render_list(lacks) or None)


def _describe(found: Detected, labels: Sequence[str]) -> list[str]:
    """Return remarks on what is unknown, and on the labels that cannot be learned."""
    cells = Counter(cell for facts in found.facts for cell in facts.cells.items())
    yes = sum(cells[label, True] for label in labels)
    no = cells.total() - yes
    unknown = len(labels) * len(found.facts) - cells.total()
    gaps = []
    for answer, what in (True, "yes"), (False, "no"):
        lacking = [label for label in labels if not cells[label, answer]]
        if lacking:
            gaps.append(f"no image has a {what} for {first_of(lacking)}")
    known = f"labels of images: {yes:,} yes, {no:,} no, {unknown:,} unknown"
    return [known, *([f"not trained: {'; '.join(gaps)}"] if gaps else [])]
