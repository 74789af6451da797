"""Turn the decisions of earlier versions into rows of ``decisions.csv``, at any time.

Earlier versions kept decisions in ``review.csv`` and labelled images by moving them into the folder
of a class; ``inbox/decided.jsonl`` logged what no commit had. A ``review.csv`` may stand again:
after the merge of a branch from before, or at an old commit. No image moves.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from pixmill.core.decisions import FILE, Key, Row, read_rows, render_rows
from pixmill.core.errors import DataError, PixmillError
from pixmill.core.files.writing import file_digest, read_if_any
from pixmill.core.params import load_params, parse_yaml
from pixmill.core.repository.git import git
from pixmill.core.repository.merging import merge_rows
from pixmill.core.review_csv import FILE as REVIEW
from pixmill.core.review_csv import rows_of_review
from pixmill.core.spellings import resolve
from pixmill.core.words import count
from pixmill.dataset.deciding import LOG, Accepted, Action, Change

UPGRADE = "pixmill upgrade"

_MERGED = f"{FILE} merge=pixmill-decisions"
_JOURNAL = ".pixmill/review/actions.jsonl"
"""Actions of the grid, for its undo."""


@dataclass(frozen=True)
class Conversion:
    """Changes that turn decisions into rows.

    Args:
        lines: Description of the changes.
        texts: Contents of files to write by path, in this order.
        removed: Files to delete after that.
    """

    lines: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    removed: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Logged:
    """The log of decisions.

    Args:
        text: Its lines in the present form.
        rows: Labels of images that are where an earlier version moved them.
        is_old: Whether it has lines of an earlier version.
    """

    text: str = ""
    rows: tuple[Row, ...] = ()
    is_old: bool = False


def plan_conversion(root: Path, rewritten: Iterable[str] = ()) -> Conversion:
    """Return the changes that turn all decisions into rows; nothing is written.

    The rows of a branch from before are merged with those of ``decisions.csv``: by image and label
    if Git knows their common ancestor, otherwise the rows of both stay.

    Args:
        root: Project folder.
        rewritten: Files that an upgrade writes anyway.

    Raises:
        DataError: A line of the log is malformed.
        DecisionsError: A line of ``review.csv`` or ``decisions.csv`` is malformed.
        PixmillError: ``decisions.csv`` is another table, or the stage validate does not name
            ``review.csv``.
    """
    logged = _convert_log(root)
    review = _read_review(root)
    if review is None and not logged.is_old:
        return Conversion()
    rows = (*rows_of_review(review or ""), *logged.rows)
    texts = {FILE: render_rows(_merge(root, rows))}
    if logged.is_old:
        texts[LOG] = logged.text
    for name, edit in _EDITS.items():
        text = read_if_any(root / name)
        if text and name not in rewritten:
            texts[name] = edit(text)
    texts = {name: text for name, text in texts.items() if text != read_if_any(root / name)}
    removed = [name for name in (REVIEW, _JOURNAL) if (root / name).exists()]
    return Conversion(tuple(_describe(rows, texts)), texts, tuple(removed))


def _describe(rows: Iterable[Row], texts: Iterable[str]) -> Iterator[str]:
    if images := {row.image for row in rows}:
        yield f"Convert: {count(len(images), 'image')} with decisions to {FILE}"
    for name in texts:
        if name in _EDITS:
            yield f"Change: {name} names {FILE}, not {REVIEW}"


def is_unresolved(root: Path) -> bool:
    """Return whether Git waits for a decision between a changed and a deleted ``review.csv``."""
    return bool(git(root, "ls-files", "--unmerged", "--", REVIEW))


def _read_review(root: Path) -> str | None:
    text = read_if_any(root / REVIEW)
    if text is None and is_unresolved(root):
        # Deleted in the middle of a merge: the side that changed it still has decisions.
        sides = (git(root, "show", f":{stage}:./{REVIEW}") for stage in (2, 3))
        text = next(filter(None, sides), None)
    return text


def _merge(root: Path, theirs: tuple[Row, ...]) -> tuple[Row, ...]:
    """Return the rows of ``decisions.csv`` with those of an earlier form, by full ids.

    Raises:
        DecisionsError: A row is malformed.
        PixmillError: ``decisions.csv`` is another table.
    """
    text = read_if_any(root / FILE) or ""
    if text.strip() and not re.match(r"\ufeff?image,label,answer,|<{7} ", text):
        raise PixmillError(
            f"{FILE} is a table of another kind, and its name is needed for decisions",
            next=f"git mv {FILE} other.csv && {UPGRADE}",
        )
    ours = read_rows(root / FILE)
    base: tuple[Row, ...] = ()
    if is_unresolved(root):
        base = rows_of_review(git(root, "show", f":1:./{REVIEW}") or "")
    ids = resolve(root, {row.image for row in (*base, *ours, *theirs)})
    return merge_rows(base, ours, theirs, ids)


# The log.


def _is_old(line: str) -> bool:
    return line.startswith('{"image":')


def _convert_log(root: Path) -> _Logged:
    """Convert the lines of an earlier version; others stay."""
    # A line without an end was never acknowledged.
    lines = (read_if_any(root / LOG) or "").split("\n")[:-1]
    if not any(map(_is_old, lines)):
        return _Logged()
    params = load_params(root)
    names = params.class_by_name
    texts: list[str] = []
    rows: list[Row] = []
    for number, line in enumerate(lines, 1):
        if not _is_old(line):
            texts.append(line)
            continue
        try:
            record = json.loads(line)
            if "file" not in record:
                texts.append(_convert_changed(record).model_dump_json())
            elif (row := _label_of(root, record, names)) is not None:
                texts.append(_convert_accepted(record, row).model_dump_json())
                if _holds(root, record["file"], record["image"]):
                    rows.append(row)
        except (ValueError, LookupError, TypeError):
            advice = f"delete that line to forget a decision: {root / LOG}"
            raise DataError(f"{LOG}, line {number} is malformed", next=advice) from None
    return _Logged("".join(f"{line}\n" for line in texts), tuple(rows), is_old=True)


def _label_of(root: Path, record: Mapping[str, Any], names: Mapping[str, str]) -> Row | None:
    """Return the label that moving or accepting an image gave it; ``None`` if it moved since."""
    image = record["image"]
    file = record["file"]
    cells = record.get("cells", {})
    # A checkout may have undone the move: the label is lost, and can be restored.
    places = [file, *record.get("earlier", ())]
    is_known = len(places) == 1 or any(_holds(root, place, image) for place in places)
    label = names.get(cells.get("label") or PurePosixPath(file).parent.name)
    if label is None or not is_known:
        return None
    return Row(image, label, "yes", cells.get("split", ""))


def _convert_accepted(record: Mapping[str, Any], row: Row) -> Action:
    accepted = None
    if record["corrections"]:
        accepted = Accepted(
            image=row.image,
            file=record["file"],
            md5=record["md5"],
            corrections=record["corrections"],
        )
    change = Change(before=None, after=row)
    return Action(branch=record["branch"], changes=(change,), accepted=accepted)


def _convert_changed(record: Mapping[str, Any]) -> Action:
    """Return the rows that a changed line of ``review.csv`` means."""
    before, after = (_rows_of_line(record["image"], record[name]) for name in ("before", "after"))
    changes = tuple(
        Change(before=before.get(key), after=after.get(key)) for key in {**before, **after}
    )
    return Action(branch=record["branch"], changes=changes)


def _rows_of_line(image: str, cells: list[str] | None) -> dict[Key, Row]:
    if cells is None:
        return {}
    _, verb, label, by, why = cells
    kept = Row(image, "", "drop" if verb == "drop" else "keep", "", by, why)
    rows = [kept, *([Row(image, label, "yes", "", by, why)] if label else [])]
    return {row.key: row for row in rows}


def _holds(root: Path, file: str, image: str) -> bool:
    path = root / file
    return path.is_file() and file_digest(path) == image


# Files that people may have edited.


def _change_pipeline(text: str) -> str:
    """Return ``dvc.yaml`` whose stage validate depends on ``decisions.csv``, otherwise as it was.

    Raises:
        PixmillError: The stage does not name ``review.csv`` in a way that one word changes.
    """
    content = parse_yaml(text, file="dvc.yaml")
    try:
        deps = content["stages"]["validate"]["deps"]
        if FILE in deps:
            return text
        deps[deps.index(REVIEW)] = FILE
    except (LookupError, TypeError, ValueError, AttributeError):
        raise _refusal() from None
    for found in re.finditer(re.escape(REVIEW), text):
        changed = text[: found.start()] + FILE + text[found.end() :]
        if parse_yaml(changed, file="dvc.yaml") == content:
            return changed
    raise _refusal()


def _refusal() -> PixmillError:
    return PixmillError(
        f"dvc.yaml: the stage validate does not depend on {REVIEW}, so no decision was converted",
        next=(
            f"add {FILE} to the deps of validate in dvc.yaml, and to .gitattributes: "
            f"{_MERGED}; then: {UPGRADE}"
        ),
    )


def _change_merge(text: str) -> str:
    """Return ``.gitattributes`` with the driver of ``decisions.csv`` in the old line's place."""
    if _MERGED in text:
        return text
    changed, found = re.subn(
        rf"^{re.escape(REVIEW)}\s+merge=\w+", _MERGED, text, flags=re.MULTILINE
    )
    return changed if found else f"{text.rstrip()}\n{_MERGED}\n"


_EDITS = {"dvc.yaml": _change_pipeline, ".gitattributes": _change_merge}
