"""Take images into a project: copy them, and set the params.

``data/`` gets ``<class>/<name>`` for each image, ``unlabelled/<name>`` for those without a label,
and rows of ``metadata.csv``; a table of URLs is written to ``lists/``.
"""

import contextlib
import json
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pixmill.core.errors import DataError, LockedError, ParamsError
from pixmill.core.files.writing import (
    file_digest,
    fresh_folder,
    hold_lock,
    place_within,
    write_text,
)
from pixmill.core.metadata import FILE, Facts, read_metadata, to_csv, write_metadata
from pixmill.core.names import class_by_name, class_folder, fold, to_nfc, to_slug, to_text
from pixmill.core.params import Params, parse_params, read_text
from pixmill.core.params.document import edit_params
from pixmill.core.process.progress import track
from pixmill.core.repository.dvc import dvc, running_dvc
from pixmill.core.words import count, first_of
from pixmill.dataset.bundled import holds_files, missing_data
from pixmill.dataset.detected import PRECEDENCE, Detected, Item
from pixmill.dataset.detection import describe, preview
from pixmill.fetch.location import is_on
from pixmill.images.listing import files_below

_UNLABELLED = "data/unlabelled"
_GROUPS = f"data/{FILE}:group"

_COMPLETED = ("split", "group", "licence", "author", "page_url")
"""Facts that an image in ``data/`` gets from a later import if it lacks them."""

_ENDING = re.compile(r"\.[a-zA-Z0-9]{1,5}$")

_MAX_NAMED = 5


@contextlib.contextmanager
def scratch_of(root: Path) -> Iterator[Path]:
    """Yield ``.pixmill/import``, empty, and remove it afterwards, with the parents that were missing before.

    Raises:
        LockedError: Another import into the project runs.
    """
    scratch = root / ".pixmill" / "import"
    missing = [folder for folder in scratch.parents if not folder.exists()]
    scratch.parent.mkdir(parents=True, exist_ok=True)
    lock = scratch.with_name("import.lock")
    try:
        with hold_lock(
            lock,
            LockedError(f"another import into {root} is running", next="wait for it, or stop it"),
        ):
            try:
                yield fresh_folder(scratch)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
                if missing:
                    lock.unlink(missing_ok=True)
    finally:
        for folder in missing:
            with contextlib.suppress(OSError):  # It has files now.
                folder.rmdir()


def set_params(text: str, found: Detected, name: str) -> str:
    """Return a params file that uses the images: their classes, sources, and given groups.

    New labels become classes, whose source is ``folder`` or ``urls``; existing classes get it in
    addition.

    Args:
        text: The params.
        found: The images.
        name: Name of the list in ``lists/``, for URLs.

    Raises:
        ParamsError: A label cannot be a class, or the file cannot be changed in its form.
    """
    params = parse_params(text)
    scrape = params.scrape
    classes = [*params.classes]
    sources: dict[str, tuple[str, ...]] = dict(scrape.source_by_class)
    for source, every in found.by_source.items():
        names = class_by_name(params.classes, getattr(scrape, source).classes)
        labels = sorted({facts.label for facts in every if facts.label})
        for label in dict.fromkeys(names.get(label, label) for label in labels):
            before = sources.get(label, scrape.source) if label in classes else ()
            if label not in classes:
                classes.append(label)
                before = (source,) if scrape.source == (source,) else ()
            if source not in before:
                sources[label] = (*before, source)
    values: dict[str, Any] = {"classes": classes, "scrape.source_by_class": sources}
    if found.urls:
        values["scrape.urls.files"] = [*dict.fromkeys((*scrape.urls.files, f"lists/{name}.csv"))]
    if params.split.group_by is None and any(item.facts.group for item in found.items):
        values["split.group_by"] = _GROUPS
    if params.evaluate.unlabelled is None and any(item.facts.label is None for item in found.items):
        values["evaluate.unlabelled"] = _UNLABELLED
    try:
        wanted = params.changed(values).model_copy(update={"sweep": params.sweep})
    except ParamsError as error:
        alike: dict[str, list[str]] = defaultdict(list)
        for label in classes:
            alike[fold(label)].append(label)
        others = {first: rest for first, *rest in alike.values() if rest} or {"cat": ["Cat"]}
        example = f"scrape.folder.classes: {json.dumps(others, ensure_ascii=False)}"
        fix = (
            f"name the classes otherwise in params.yaml, such as {example}, or leave them out: "
            "--classes"
        )
        raise ParamsError(error.message, next=f"{fix}; then: the same command") from None
    return edit_params(text, wanted, otherwise="set classes and scrape there yourself")


def import_into(
    root: Path, found: Detected, scratch: Path, name: str, *, dry_run: bool = False
) -> list[str]:
    """Take images into an existing project, and record ``data/`` in DVC.

    Repeating the call completes an interrupted one.

    Args:
        root: Project folder.
        found: The images.
        scratch: Folder of the project for partial copies.
        name: Name of the list in ``lists/``, for URLs.
        dry_run: Whether to write nothing.

    Returns:
        Lines on what was done, or would be.

    Raises:
        PixmillError: The params cannot be changed, ``data/`` is missing or in use, or DVC failed.
    """
    before = read_text(root / "params.yaml")
    text = set_params(before, found, name)
    if command := missing_data(root) if (root / "data.dvc").exists() else None:
        raise DataError("data/ is missing", next=f"{command}, then repeat the command")
    if dry_run:
        chosen, _, notes = _plan(found, root, read_metadata(root / "data"), parse_params(text))
        return preview(replace(found, items=[*chosen.values()]), notes)
    if users := [
        each.command for each in running_dvc(root) if "data" in (*each.reads, *each.writes)
    ]:
        raise LockedError(
            f"`{users[0]}` is using data/", next="wait for it or stop it, then repeat the command"
        )
    lines, taken = take_in(root, found, scratch, parse_params(text), name)
    write_text(root / "params.yaml", set_params(before, taken, name))
    if found.items:
        dvc(root, "add", "data")
    return lines


def take_in(
    root: Path, found: Detected, scratch: Path, params: Params, name: str
) -> tuple[list[str], Detected]:
    """Copy images into ``data/`` beside those that are there, with their rows in ``metadata.csv``; list URLs.

    Files are complete before they appear in ``data/``, and their rows are written first, so an
    interrupted call leaves no partial image and none without its facts; a repeated one skips what
    is there.

    Args:
        root: Project folder.
        found: The images; those in ``scratch`` are moved.
        scratch: Folder on the same disk.
        params: Params of the project.
        name: Name of the list in ``lists/``, for URLs.

    Returns:
        Lines on what was done, and ``found`` with those images only that ``data/`` has now.
    """
    data = root / "data"
    rows = read_metadata(data)
    chosen, skipped, notes = _plan(found, root, rows, params)
    places = {target: place_within(data / target, data) for target in chosen}
    lines = _write_list(root / "lists" / f"{name}.csv", found.urls) if found.urls else []
    tables = {
        "folder": (_GROUPS, ""),
        "urls": (f"data/{name}.csv:group", f"copy lists/{name}.csv to data/, and "),
    }
    for source, (by, first) in tables.items():
        if any(facts.group for facts in found.by_source[source]) and params.split.group_by != by:
            now = params.split.group_by or "null"
            lines.append(
                f"The given groups have no effect, since split.group_by is {now}: {first}set it to "
                f"{by}"
            )
    if not found.items:
        return lines, found
    new = fresh_folder(scratch / "new")
    for target, item in track(chosen.items(), "Copy", len(chosen)):
        (new / target).parent.mkdir(parents=True, exist_ok=True)
        if item.path.is_relative_to(scratch):
            item.path.rename(new / target)
        else:
            shutil.copyfile(item.path, new / target)
    if not holds_files(data):
        write_metadata(new, rows)
        if data.exists():
            shutil.rmtree(data)
        new.rename(data)
    else:
        write_metadata(data, rows)
        for target, place in places.items():
            place.parent.mkdir(parents=True, exist_ok=True)
            (new / target).rename(place)
    copied = replace(found, items=[*chosen.values()], urls={})
    return [f"Copied {describe(copied)}", *notes, *lines], replace(
        found, items=[*chosen.values(), *skipped]
    )


def _plan(
    found: Detected, root: Path, rows: dict[str, Facts], params: Params
) -> tuple[dict[str, Item], list[Item], list[str]]:
    """Return the items to copy by path below ``data/``, those that it has already, and remarks on the others.

    Rows of the items are added to ``rows``; those of images in ``data/`` get missing splits, groups
    and origins.
    """
    from pixmill.dataset.forgetting import (
        forgotten_ids,
    )  # imports pandas, which takes half a second

    if not found.items:
        return {}, [], []
    if params.scrape.folder.layout == "fixed":
        fix = (
            "copy them into data/train/ and data/test/, or into a project of their own: pixmill "
            "new NAME --from …"
        )
        raise DataError(
            "data/ has a fixed split (scrape.folder.layout), to which no images are imported",
            next=fix,
        )
    unlabelled = Path(params.evaluate.unlabelled or _UNLABELLED).relative_to("data").as_posix()
    classes = class_by_name(params.classes, params.scrape.folder.classes)
    files = [*files_below(root / "data")] if (root / "data").is_dir() else []
    taken = {fold(name) for name, _ in files}
    present = {str(path): to_nfc(name) for name, path in files if path.is_file()}
    scrape = params.scrape
    ids = {*scrape.exclude_ids, *(name[:16] for name in forgotten_ids(root, params.classes))}
    contents = _contents([item.file for item in found.items], present, reads_all=bool(ids))
    names: dict[str, dict[str, str]] = defaultdict(dict)  # below data/, by content and class
    for file, name in present.items():
        if file in contents:
            label = rows.get(name, Facts()).label or name.split("/")[0]
            names[contents[file]][classes.get(label, label)] = name
    labels: dict[str, set[str]] = defaultdict(set)  # of the import, by content, as the groups
    groups: dict[str, set[str]] = defaultdict(set)
    for item in found.items:
        labels[contents[item.file]] |= {
            classes.get(label, label) for label in [item.facts.label] if label
        }
        groups[contents[item.file]] |= {group for group in [item.facts.group] if group}
    chosen: dict[str, Item] = {}
    skipped: list[Item] = []
    notes: dict[str, list[str]] = defaultdict(list)
    # An image in several splits stays out of training.
    items = sorted(found.items, key=lambda item: PRECEDENCE.index(item.facts.split))
    for item in track(items, "Plan", len(items)):
        facts = item.facts
        content = contents[item.file]
        had = names[content]
        label = facts.label or unlabelled
        own = classes.get(label, label)
        others = [*had.values()] if had else [each for each in labels[content] if each != own]
        is_excluded = content[:16] in ids or facts.author in scrape.exclude_authors
        if is_excluded or is_on(facts.page_url, scrape.opt_out):
            notes["Left out {} forgotten earlier (review.csv; scrape.exclude_*, opt_out)"].append(
                item.name
            )
        elif len(labels[content]) > 1:
            notes["Left out {} with several labels"].append(f"{item.name} ({label})")
        elif len(groups[content]) > 1:
            notes["Left out {} with several groups"].append(
                f"{item.name} ({facts.group or 'no group'})"
            )
        elif own not in had and others:
            found_as = f"{item.name} ({facts.label or 'no label'}) is {others[0]}"
            notes["Left out {} with another label (to change one: pixmill review)"].append(found_as)
        elif own not in had:
            folder = unlabelled if facts.label is None else class_folder(facts.label)
            name = _free_path(folder, item.name, taken)
            chosen[name] = item
            rows[name] = facts
            had[own] = name
        else:
            name = had[own]
            skipped.append(item)
            row = rows.get(name, Facts())
            full = replace(
                row, **{each: getattr(row, each) or getattr(facts, each) for each in _COMPLETED}
            )
            notes["Skipped {} that data/ or the import has already"].append(item.name)
            if full != row:
                rows[name] = full
                notes["Added split, group or origin to {} in data/"].append(name)
            if facts.split not in (None, full.split) or facts.group not in (None, full.group):
                notes["Kept the split and group of {} that have others here"].append(
                    f"{name} ({item.name})"
                )
    what = {text.format(count(len(each), "image")): each for text, each in notes.items()}
    return chosen, skipped, [f"{text}: {first_of(each, _MAX_NAMED)}" for text, each in what.items()]


def _contents(files: Sequence[str], others: Iterable[str], *, reads_all: bool) -> dict[str, str]:
    """Return a text for each file, and for each other one as large as one of them, equal if the bytes are.

    It is the SHA-256 digest if another file is as large, or with ``reads_all``; other files are not
    read.
    """
    sizes = {file: Path(file).stat().st_size for file in files}
    own = {*sizes.values()}
    sizes |= {file: size for file in others if (size := Path(file).stat().st_size) in own}
    several = Counter(sizes.values())
    every = track(sizes.items(), "Compare", len(sizes))
    return {
        file: file_digest(Path(file)) if reads_all or several[size] > 1 else file
        for file, size in every
    }


def _free_path(folder: str, name: str, taken: set[str]) -> str:
    """Return a path for an image, unique ignoring case, and add it to the taken ones.

    Folders become a part of the name, which :func:`pixmill.core.names.to_slug` makes portable.
    """
    flat = to_nfc(to_text(name)).replace("/", "-")
    ending = _ENDING.search(flat)
    stem = to_slug(_ENDING.sub("", flat).strip() or "image")
    suffix = ending[0] if ending else ""
    path = f"{folder}/{stem}{suffix}"
    number = 1
    while fold(path) in taken:
        number += 1
        path = f"{folder}/{stem}-{number}{suffix}"
    taken.add(fold(path))
    return path


def _write_list(path: Path, urls: Mapping[str, Facts]) -> list[str]:
    """Write a list for the source ``urls``."""
    text = to_csv("url", urls)
    where = f"{path.parent.name}/{path.name}"
    if path.exists() and path.read_text(encoding="utf-8", errors="replace") != text:
        raise DataError(
            f"{where} exists and differs", next="move it away, or rename the table that you import"
        )
    write_text(path, text)
    return [f"Listed {count(len(urls), 'URL')} in {where}"]
