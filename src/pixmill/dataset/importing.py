"""Take images into a project: copy them, and set the params.

``data/`` gets ``<class>/<name>`` for each image, ``unlabelled/<name>`` for those without a label,
and rows of ``metadata.csv``; a table of URLs is written to ``lists/``.
"""

import contextlib
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pixmill.core.cells import render_cells, to_matrix
from pixmill.core.decisions import Changes, label_as
from pixmill.core.errors import DataError, LockedError, ParamsError
from pixmill.core.files.writing import (
    file_digest,
    fresh_folder,
    hold_lock,
    place_within,
    write_text,
)
from pixmill.core.metadata import (
    FILE,
    Facts,
    MetadataTable,
    read_metadata,
    to_csv,
    write_metadata,
)
from pixmill.core.names import class_by_name, to_nfc
from pixmill.core.params import Params, parse_params, read_text
from pixmill.core.params.compare import METRICS
from pixmill.core.params.document import edit_params
from pixmill.core.params.yaml_text import set_values
from pixmill.core.process.progress import track
from pixmill.core.repository.dvc import dvc, running_dvc
from pixmill.core.review_csv import require_converted
from pixmill.core.words import count, first_of
from pixmill.dataset.bundled import holds_files, missing_data
from pixmill.dataset.deciding import DecisionTable
from pixmill.dataset.detected import Detected
from pixmill.dataset.detection import describe, labels_of, preview
from pixmill.dataset.import_plan import UNLABELLED, ImportPlan, plan_import

_TASK_LINE = "task: labels              # an image may have several, or none; one_label: just one\n"

_OTHER_NAMES = (
    "name the classes otherwise in params.yaml, such as scrape.folder.classes: {cat: [Cat]}, or "
    "leave them out: --classes; then: the same command"
)

_GROUPS = f"data/{FILE}:group"


@contextlib.contextmanager
def scratch_of(root: Path) -> Iterator[Path]:
    """Yield ``.pixmill/import``, empty, and remove it afterwards, with parents made for it.

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

    New labels become classes, except in a project with several labels an image. Their source is
    ``folder`` or ``urls``; existing classes get it in addition.

    Args:
        text: The params.
        found: The images.
        name: Name of the list in ``lists/``, for URLs.

    Raises:
        ParamsError: A label cannot be a class, or the file cannot be changed in its form.
    """
    params = parse_params(text)
    classes, sources = _add_classes(params, found)
    if found.several and params.task == "one_label":
        text = with_several(text)
        params = parse_params(text)
    values: dict[str, Any] = {"classes": classes, "scrape.source_by_class": sources}
    if found.urls:
        values["scrape.urls.files"] = [
            *dict.fromkeys((*params.scrape.urls.files, f"lists/{name}.csv"))
        ]
    if params.split.group_by is None and any(item.facts.group for item in found.items):
        values["split.group_by"] = _GROUPS
    if params.evaluate.unlabelled is None and not all(
        found.labels_in(item.facts) for item in found.items
    ):
        values["evaluate.unlabelled"] = UNLABELLED
    try:
        wanted = params.changed(values).model_copy(update={"sweep": params.sweep})
    except ParamsError as error:
        message = f"{found.recognised}: {error.message}"
        raise ParamsError(message, next=_OTHER_NAMES) from None
    return edit_params(text, wanted, otherwise="set classes and scrape there yourself")


def with_several(text: str) -> str:
    """Return a params file with several labels an image."""
    values: dict[str, Any] = {"task": "labels"}
    if parse_params(text).compare.metric not in METRICS["labels"]:
        values["compare"] = {"metric": METRICS["labels"][0]}
    if not re.search("^task:", text, re.MULTILINE):
        text = re.sub("^(?=classes:)", _TASK_LINE, text, count=1, flags=re.MULTILINE)
    return set_values(text, values)


def _add_classes(params: Params, found: Detected) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """Return all classes with those of the images, and the sources of classes by name."""
    scrape = params.scrape
    classes = [*params.classes]
    sources: dict[str, tuple[str, ...]] = dict(scrape.source_by_class)
    for source, every in found.by_source.items():
        names = class_by_name(params.classes, getattr(scrape, source).classes)
        labels = sorted({label for facts in every for label in found.labels_in(facts)})
        for label in dict.fromkeys(names.get(label, label) for label in labels):
            if label in classes:
                before = sources.get(label, scrape.source)
            else:
                classes.append(label)
                before = (source,) if scrape.source == (source,) else ()
            if source not in before:
                sources[label] = (*before, source)
    return classes, sources


def _require_classes(params: Params, found: Detected) -> None:
    """Refuse labels that other images of the project were never asked for."""
    known = {*params.classes, *class_by_name(params.classes, params.scrape.folder.classes)}
    for label in labels_of(found):
        if label not in known:
            problem = f"{label!r} is not one of the labels {first_of(params.classes)}"
            raise DataError(
                ": ".join(filter(None, [found.rows.get(label), problem])),
                next="add it to classes in params.yaml, correct it, or leave it out: --classes",
            )


def import_into(
    root: Path,
    found: Detected,
    scratch: Path,
    name: str,
    *,
    by: str = "",
    dry_run: bool = False,
) -> list[str]:
    """Take images into an existing project, and record ``data/`` in DVC.

    Repeating the call completes an interrupted one.

    Args:
        root: Project folder.
        found: The images.
        scratch: Folder of the project for partial copies.
        name: Name of the list in ``lists/``, for URLs.
        by: Who imports, for ``decisions.csv``.
        dry_run: Whether to write nothing.

    Returns:
        Lines on what was done, or would be.

    Raises:
        PixmillError: The params cannot be changed, ``data/`` is missing or in use, or DVC failed.
    """
    require_converted(root)
    before = read_text(root / "params.yaml")
    if found.several:
        _require_classes(parse_params(before), found)
    params = parse_params(set_params(before, found, name))
    if command := missing_data(root) if (root / "data.dvc").exists() else None:
        raise DataError("data/ is missing", next=f"{command}, then repeat the command")
    if dry_run:
        plan = plan_import(root, found, params)
        copied = replace(found, items=[*plan.copies.values()])
        taken = replace(found, items=plan.items)
        changes = plan.changes or set_params(before, taken, name) != before
        return preview(copied, plan.notes, changes=changes)
    for each in running_dvc(root):
        if "data" in (*each.reads, *each.writes):
            raise LockedError(
                f"`{each.command}` is using data/",
                next="wait for it or stop it, then repeat the command",
            )
    is_first = not holds_files(root / "data")
    lines, taken = take_in(root, found, scratch, params, name, by=by)
    write_text(root / "params.yaml", set_params(before, taken, name))
    if is_first:
        set_salt(root, found)
    if found.items:
        dvc(root, "add", "data")
    return lines


def complete_rows(root: Path, found: Detected) -> None:
    """Record in ``metadata.csv`` what is known of images in ``data/`` with several labels."""
    table = MetadataTable(root / "data")
    known = read_metadata(root / "data")
    changes = {}
    for item in found.items if found.several else ():
        name = to_nfc(item.path.relative_to(root / "data").as_posix())
        facts = item.facts
        if facts.cells != known.get(name, Facts()).cells:
            row = {"file_name": name}
            for column in ("label", "split", "not_label"):
                if text := getattr(facts, column):
                    row[column] = text
            changes[name] = table.read().get(name, {}) | row
    if changes:
        table.change(changes)


def set_salt(root: Path, found: Detected) -> None:
    """Set ``split.salt`` so that each split has its share of each label, if images have several.

    Args:
        root: Project folder, with the images in ``data/``.
        found: The images.
    """
    if not found.several:
        return
    from pixmill.split.salts import choose_salt

    text = read_text(root / "params.yaml")
    params = parse_params(text)
    rows = {name: facts for name, facts in read_metadata(root / "data").items() if facts.cells}
    # What the split hashes: names of groups, and ids.
    names = [
        f"group {facts.group}" if facts.group else file_digest(root / "data" / name)
        for name, facts in track(rows.items(), "Choose a salt", len(rows))
    ]
    matrix = to_matrix([render_cells(facts.cells) for facts in rows.values()], params.classes)
    salt = choose_salt(matrix, names, params.split)
    write_text(root / "params.yaml", set_values(text, {"split": {"salt": salt}}))


def take_in(
    root: Path, found: Detected, scratch: Path, params: Params, name: str, *, by: str = ""
) -> tuple[list[str], Detected]:
    """Copy images into ``data/`` with their rows in ``metadata.csv``, and list URLs.

    Labels of images that ``data/`` has without one become rows of ``decisions.csv``.
    Files are complete before they appear in ``data/``, and their rows are written first, so an
    interrupted call leaves no partial image and none without its facts; a repeated one skips what
    is there.

    Args:
        root: Project folder.
        found: The images; those in ``scratch`` are moved.
        scratch: Folder on the same disk.
        params: Params of the project.
        name: Name of the list in ``lists/``, for URLs.
        by: Who imports, for ``decisions.csv``.

    Returns:
        Lines on what was done, and ``found`` with those images only that ``data/`` has now.

    Raises:
        DataError: A class folder is a link, or ``lists/`` has another list of this name.
    """
    plan = plan_import(root, found, params)
    places = {target: place_within(root / "data" / target, root / "data") for target in plan.copies}
    lines = _write_list(root / "lists" / f"{name}.csv", found.urls) if found.urls else []
    lines += _hint_at_groups(found, params, name)
    if not found.items:
        return lines, found
    _copy_images(plan, places, root / "data", scratch)
    if plan.labels:
        _write_labels(root, plan.labels, by)
    said = f"Copied {describe(replace(found, items=[*plan.copies.values()], urls={}))}"
    return [said, *plan.notes, *lines], replace(found, items=plan.items)


def _copy_images(plan: ImportPlan, places: Mapping[str, Path], data: Path, scratch: Path) -> None:
    new = fresh_folder(scratch / "new")
    for target, item in track(plan.copies.items(), "Copy", len(plan.copies)):
        (new / target).parent.mkdir(parents=True, exist_ok=True)
        if item.path.is_relative_to(scratch):
            item.path.rename(new / target)
        else:
            shutil.copyfile(item.path, new / target)
    if not holds_files(data):
        write_metadata(new, plan.rows)
        if data.exists():
            shutil.rmtree(data)
        new.rename(data)
        return
    write_metadata(data, plan.rows)
    for target, place in places.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        (new / target).rename(place)


def _write_labels(root: Path, labels: Mapping[str, tuple[str, str]], by: str) -> None:
    table = DecisionTable(root)
    changes: Changes = {}
    for image, (label, split) in labels.items():
        now = table.decided.get(image)
        changes |= label_as(image, label, now, split=split, by=by, why="import")
    table.decide(changes, then="repeat the import")


def _hint_at_groups(found: Detected, params: Params, name: str) -> list[str]:
    """Return lines on given groups that the params do not use."""
    tables = {
        "folder": (_GROUPS, ""),
        "urls": (f"data/{name}.csv:group", f"copy lists/{name}.csv to data/, and "),
    }
    lines = []
    for source, (by, first) in tables.items():
        if any(facts.group for facts in found.by_source[source]) and params.split.group_by != by:
            now = params.split.group_by or "null"
            lines.append(
                f"The given groups have no effect, since split.group_by is {now}: {first}set it to "
                f"{by}"
            )
    return lines


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
