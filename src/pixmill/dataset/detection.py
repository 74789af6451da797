"""Recognise the images of a folder, archive or table, and describe them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path

from pixmill.core.errors import DataError
from pixmill.core.names import fold, to_nfc
from pixmill.core.words import count, first_of
from pixmill.dataset.archives import unpack
from pixmill.dataset.detected import Detected
from pixmill.dataset.folders import find_all, find_in_folder
from pixmill.dataset.table_files import SUFFIXES, UnreadError, within_limits
from pixmill.dataset.tables import find_table
from pixmill.images.listing import files_below
from pixmill.images.read_errors import reason_of


@dataclass(frozen=True)
class Options:
    """What people say about a data set instead of letting it be guessed.

    Args:
        classes: Labels to take; default: all.
        columns: Columns of a table by role, such as ``{"image": "id"}``.
        pattern: Regular expression whose group is the label, for names of files.
        no_splits: Whether to ignore given splits.
        least: Minimum number of classes in folders.
        label: Label of all images of a folder; ``unlabelled``: they have none; ``None``: recognise
            it.
    """

    classes: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    pattern: str | None = None
    no_splits: bool = False
    least: int = 2
    label: str | None = None


def refuse_overlap(source: Path, folder: Path) -> None:
    """Refuse to copy a folder into itself.

    Raises:
        DataError: One contains the other.
    """
    if source.resolve().is_relative_to(folder) or folder.is_relative_to(source.resolve()):
        fix = "choose a folder outside; images already in data/<class>/ need no import"
        raise DataError(f"{source} and {folder} overlap", next=fix)


def recognise(source: Path, scratch: Path, options: Options) -> Detected:
    """Find the images of a folder, an archive, or a table.

    Args:
        source: The folder or file.
        scratch: Folder on the disk of the project, for unpacked files.
        options: What people say.

    Raises:
        DataError: It is missing, cannot be read, or has no labelled images; or a class of the
            options is missing.
    """
    if source.is_file() and reason_of(source) == "archive":
        folder = scratch / "unpacked"
        remarks = within_limits(partial(unpack, source, folder), [source])

        def named(text: str) -> str:
            return text.replace(str(folder), str(source))  # The folder is removed.

        try:
            found = recognise(folder, scratch, options)
        except DataError as error:
            reasons = {name: reason_of(path) for name, path in files_below(folder)}
            inner = [name for name, reason in reasons.items() if reason == "archive"]
            if inner and None not in reasons.values():
                fix = "unpack all of them, move the archives away, and give the folder"
                raise DataError(
                    f"{source} has archives inside: {first_of(inner, 5)}", next=fix
                ) from None
            raise DataError(named(error.message), next=error.next and named(error.next)) from None
        return replace(found, remarks=(*remarks, *map(named, found.remarks)))
    if not source.is_dir() and not (source.is_file() and source.suffix.lower() in SUFFIXES):
        problem = (
            "is neither an archive (.zip, .tar, .tar.gz) nor a table"
            if source.exists()
            else "does not exist"
        )
        raise DataError(
            f"{source} {problem}",
            next="give a folder, archive or table, relative to the current folder",
        )
    if options.label is not None and not source.is_dir():
        raise DataError(
            f"{source} is a table, which gives labels itself", next="repeat without --label"
        )
    if options.label is not None:
        label = to_nfc(options.label).strip()
        return find_all(source, None if fold(label) == "unlabelled" else label)
    remarks = []
    try:
        # A pattern says that names label the images, not a table.
        if not options.pattern and (
            table := find_table(source, columns=options.columns, scratch=scratch / "embedded")
        ):
            return _choose(table, options)
    except UnreadError as error:
        if options.columns or not source.is_dir():
            raise
        remarks.append(error.remark)
    if options.columns:
        raise DataError(
            f"{source} has no table that labels images",
            next="omit --columns, or give the table's file",
        )
    try:
        found = find_in_folder(
            source,
            options.classes,
            pattern=options.pattern,
            no_splits=options.no_splits,
            least=options.least,
        )
    except DataError as error:
        raise DataError("\n".join([*remarks, error.message]), next=error.next) from None
    return replace(found, remarks=(*remarks, *found.remarks))


def _choose(found: Detected, options: Options) -> Detected:
    """Return the images of the chosen classes and those without a label; with ``no_splits``, without their split."""
    every = labels_of(found)
    if missing := [label for label in options.classes if label not in every]:
        text = f"there are no images of {first_of(missing)}; there are {first_of(every)}"
        raise DataError(text, next="correct --classes")
    chosen = {*(options.classes or every), None}
    items = [item for item in found.items if item.facts.label in chosen]
    urls = {url: facts for url, facts in found.urls.items() if facts.label in chosen}
    if options.no_splits:
        items = [replace(item, facts=replace(item.facts, split=None)) for item in items]
        urls = {url: replace(facts, split=None) for url, facts in urls.items()}
    return replace(found, items=items, urls=urls)


def describe(found: Detected) -> str:
    """Return the number of images by split and class, such as ``5 images: 2 of cat, 3 of dog``."""
    counts = Counter(
        (facts.split or "", facts.label or "") for facts in chain(*found.by_source.values())
    )
    parts: dict[str, list[str]] = {}
    for (split, label), number in sorted(counts.items()):
        parts.setdefault(split, []).append(
            f"{number:,} of {label}" if label else f"{number:,} without a label"
        )
    texts = [f"{split}: " * bool(split) + first_of(each) for split, each in parts.items()]
    return f"{count(counts.total(), 'image')}: {'; '.join(texts)}" if texts else "no images"


def introduce(found: Detected) -> str:
    """Return a line on what was recognised and how to overrule it."""
    overrule = f" (to overrule: {', '.join(found.options)})" if found.options else ""
    return f"Recognised {found.recognised}{overrule}"


def preview(found: Detected, notes: Iterable[str] = ()) -> list[str]:
    """Return the lines of a dry run, with notes on images that are left out."""
    taken = f"Would take {describe(found)}"
    return [
        introduce(found),
        *found.remarks,
        taken,
        *notes,
        "Next: the same command without --dry-run",
    ]


def labels_of(found: Detected) -> list[str]:
    """Return the labels, sorted."""
    return sorted(
        {facts.label for facts in chain(*found.by_source.values()) if facts.label is not None}
    )
