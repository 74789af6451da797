"""Recognise the images of a folder, archive or table, and describe them."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from pixmill.core.cells import read_list
from pixmill.core.errors import DataError
from pixmill.core.metadata import Facts
from pixmill.core.names import fold, to_nfc
from pixmill.core.words import count, first_of
from pixmill.dataset.archives import unpack
from pixmill.dataset.detected import Detected
from pixmill.dataset.folders import find_all, find_in_folder
from pixmill.dataset.label_files.unread import name_unread
from pixmill.dataset.several import ONE_LABEL, Unlisted, named_labels, settle
from pixmill.dataset.table_files import SUFFIXES, Roles, UnreadError, within_limits
from pixmill.dataset.tables import find_table
from pixmill.images.listing import files_below
from pixmill.images.read_errors import reason_of


@dataclass(frozen=True)
class Options:
    """User overrides for the detected layout.

    Args:
        classes: Labels to take; default: all.
        columns: Columns of a table by role, such as ``{"image": "id"}``.
        pattern: Regular expression whose group is the label, for names of files.
        no_splits: Whether to ignore given splits.
        least: Minimum number of classes.
        label: Label of all images of a folder; ``unlabelled``: they have none; ``None``: recognise
            it.
        several: Whether an image may have several labels; ``None``: recognise it.
        unlisted: With several labels, what one is that a list does not have.
        ask: Asks for ``unlisted``; ``None``: nobody can answer.
        votes: Whether the rows of an image are votes on its one label.
    """

    classes: tuple[str, ...] = ()
    columns: Roles = field(default_factory=dict)
    pattern: str | None = None
    no_splits: bool = False
    least: int = 2
    label: str | None = None
    several: bool | None = None
    unlisted: Unlisted | None = None
    ask: Callable[[str], Unlisted] | None = None
    votes: bool = False


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
            options is missing; or images that may have several labels are put to the vote.
    """
    if options.votes and options.several:
        raise DataError(
            "--votes gives an image one label, and here it may have several",
            next="repeat without --votes",
        )
    if source.is_file() and reason_of(source) == "archive":
        return _recognise_archive(source, scratch, options)
    if not source.is_dir() and not (source.is_file() and source.suffix.lower() in SUFFIXES):
        problem = "does not exist"
        if source.exists():
            problem = "is neither an archive (.zip, .tar, .tar.gz) nor a table"
        raise DataError(
            f"{source} {problem}",
            next="give a folder, archive or table, relative to the current folder",
        )
    if options.label is not None:
        found = _label_all(source, options.label)
    else:
        found = _recognise_table(source, scratch, options)
    if options.several is not None:  # as --task says
        found = replace(found, options=tuple(each for each in found.options if each != ONE_LABEL))
    found = replace(found, several=found.several or bool(options.several))
    return _choose(source, found, options)


def _recognise_archive(source: Path, scratch: Path, options: Options) -> Detected:
    folder = scratch / "unpacked"
    left_out = within_limits(partial(unpack, source, folder), [source])
    try:
        found = recognise(folder, scratch, options)
    except DataError as error:
        reasons = {name: reason_of(path) for name, path in files_below(folder)}
        inner = [name for name, reason in reasons.items() if reason == "archive"]
        if inner and None not in reasons.values():
            raise DataError(
                f"{source} has archives inside: {first_of(inner, 5)}",
                next="unpack all of them, move the archives away, and give the folder",
            ) from None
        message = _name_source(error.message, folder, source)
        raise DataError(message, next=_name_source(error.next or "", folder, source)) from None
    remarks = [_name_source(text, folder, source) for text in found.remarks]
    return replace(found, remarks=(*left_out, *remarks))


def _name_source(text: str, folder: Path, source: Path) -> str:
    """Return a text about the archive: the unpacked folder is removed."""
    return text.replace(str(folder), str(source))


def _label_all(source: Path, label: str) -> Detected:
    label = to_nfc(label).strip()
    return find_all(source, None if fold(label) == "unlabelled" else label)


def _recognise_table(source: Path, scratch: Path, options: Options) -> Detected:
    """Find the images of a table, or of the folders if no table labels images."""
    remarks: tuple[str, ...] = ()
    unread: Mapping[Path, str] = {}
    # A pattern says that names label the images, not a table.
    if not options.pattern:
        try:
            found = find_table(
                source,
                columns=options.columns,
                scratch=scratch / "embedded",
                several=False if options.votes else options.several,
                votes=options.votes,
                no_splits=options.no_splits,
            )
        except UnreadError as error:
            if options.columns or not source.is_dir():
                raise
            remarks = (error.remark,)
        else:
            if isinstance(found, Detected):
                return found
            unread = found
    if options.columns or options.votes:
        problem = f"{source} has no table that labels images"
        raise DataError(
            "\n".join([problem, *remarks, *name_unread(unread, source, unread)]),
            next="correct the table, or omit --columns and --votes; with --pattern, none is read",
        )
    try:
        found = find_in_folder(
            source,
            options.classes,
            pattern=options.pattern,
            no_splits=options.no_splits,
            several=options.several,
            unread=unread,
        )
    except DataError as error:
        raise DataError("\n".join([*remarks, error.message]), next=error.next) from None
    return replace(found, remarks=(*remarks, *found.remarks))


def _choose(source: Path, found: Detected, options: Options) -> Detected:
    """Return the images of the chosen classes and those without a label; with several, all."""
    labels = sorted({label for facts in found.facts for label in named_labels(facts)})
    missing = [label for label in options.classes if label not in labels]
    # A folder of images without a label has none of the classes yet.
    if labels and missing:
        raise DataError(
            f"there are no images of {first_of(missing)}; there are {first_of(labels)}",
            next="correct --classes",
        )
    labels = [*(options.classes or labels)]
    if found.several:
        return settle(found, labels, options.unlisted, options.ask)
    if len(labels) < options.least and labels:
        problem = f"{source} has too few classes for a classifier: {first_of(labels)}"
        raise DataError(
            "\n".join([problem, introduce(found), *found.remarks]),
            next=f"put the images into {source}/<class>/, or name their labels: "
            "--pattern '([a-z]+)_' for those in names, --columns image=…,label=… in a table",
        )
    chosen = {*labels, None}
    items = [item for item in found.items if item.facts.label in chosen]
    urls = {url: facts for url, facts in found.urls.items() if facts.label in chosen}
    return replace(found, items=items, urls=urls)


def describe(found: Detected) -> str:
    """Return the number of images by split and class, such as ``5 images: 2 of cat, 3 of dog``."""
    every = found.facts
    counts = Counter(
        (facts.split or "", label) for facts in every for label in _shown(found, facts)
    )
    parts: dict[str, list[str]] = {}
    for (split, label), number in sorted(counts.items()):
        what = f"of {label}" if label.strip() else f"without a {'yes' if label else 'label'}"
        parts.setdefault(split, []).append(f"{number:,} {what}")
    texts = [f"{split}: " * bool(split) + first_of(each) for split, each in parts.items()]
    return f"{count(len(every), 'image')}: {'; '.join(texts)}" if texts else "no images"


def _shown(found: Detected, facts: Facts) -> list[str]:
    """Return the labels that an image has; a space if it has no yes, nothing if all is unknown."""
    has = read_list(facts.label) if found.several else [facts.label or ""]
    return has or [" " * bool(facts.not_label)]


def introduce(found: Detected) -> str:
    """Return a line on what was recognised and how to overrule it."""
    overrule = f" (to overrule: {', '.join(found.options)})" if found.options else ""
    return f"Recognised {found.recognised}{overrule}"


def preview(found: Detected, notes: Iterable[str] = (), *, changes: bool = True) -> list[str]:
    """Return the lines of a dry run, with notes on images that are left out.

    Args:
        found: The images.
        notes: The notes.
        changes: Whether the command would change anything.
    """
    taken = f"Would take {describe(found)}"
    then = "the same command without --dry-run" if changes else "give other images"
    return [introduce(found), *found.remarks, taken, *notes, f"Next: {then}"]


def labels_of(found: Detected) -> list[str]:
    """Return the labels, sorted."""
    return sorted({label for facts in found.facts for label in found.labels_in(facts)})
