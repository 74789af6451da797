"""Write the exported images with metadata, in the formats of other tools."""

import json
import shutil
import tempfile
from pathlib import Path
from urllib.parse import quote

from pixmill.core.cells import render_list
from pixmill.core.errors import DataError
from pixmill.core.files.writing import file_digest, write_text
from pixmill.core.process.progress import track
from pixmill.core.words import spreadsheet_cell
from pixmill.dataset.exporting.card import CARD, MARK, TEMPLATES, render_texts
from pixmill.dataset.exporting.choosing import Choice

DATA_FORMATS = ("imagefolder", "csv", "label-studio")


def export_data(choice: Choice, output: Path, *, form: str, root: Path) -> None:
    """Copy the images into a folder, with metadata, card, attributions and ``croissant.json``.

    The folder appears when it is complete, and replaces an earlier export.

    Args:
        choice: The images.
        output: The folder.
        form: One of :data:`DATA_FORMATS`.
        root: Project folder.

    Raises:
        DataError: The folder exists and is no earlier export, is in ``data/`` or ``artifacts/``, or
            an image is missing.
    """
    _check_output(output, root)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=output.parent) as scratch:
        new = Path(scratch) / "new"
        pairs = choice.images[["original", "file_name"]].to_numpy()
        for original, name in track(pairs, "Copy", len(pairs)):
            copy = new / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(original, copy)
            except FileNotFoundError:
                raise DataError(
                    f"{original} is missing", next="dvc checkout, or dvc repro"
                ) from None
        rows = choice.images[[*choice.labelling.columns]]
        templates = dict(TEMPLATES)
        if form == "imagefolder":
            # Hugging Face ignores metadata above the folders of splits.
            for split, part in rows.groupby("split"):
                files = part["file_name"].str.removeprefix(f"{split}/")
                table = new / f"{split}/{choice.labelling.file}"
                choice.labelling.write(part.assign(file_name=files), table)
        else:
            texts = rows.assign(
                **{name: rows[name].map(render_list) for name in choice.labelling.lists}
            )
            texts.map(spreadsheet_cell).to_csv(
                new / "metadata.csv", index=False, lineterminator="\n"
            )
        if form == "label-studio":
            _write_tasks(choice, new / "tasks.json", output.name)
            templates["labelling.xml"] = "labelling.xml"
        paths = sorted([*new.glob("metadata.csv"), *new.glob(f"*/{choice.labelling.file}")])
        tables = {path.relative_to(new).as_posix(): file_digest(path) for path in paths}
        name = root.resolve().name
        documents = render_texts(choice, templates, tables=tables, name=name, root=root)
        for file, text in documents.items():
            write_text(new / file, text)
        if output.exists():
            shutil.rmtree(output)
        new.rename(output)


def _check_output(output: Path, root: Path) -> None:
    """Raise :class:`DataError` if the folder holds files that an export must not replace."""
    advice = "choose another folder"
    place = output.resolve()
    card = output / CARD
    if place == root.resolve() or any(
        place.is_relative_to((root / name).resolve()) for name in ("data", "artifacts")
    ):
        raise DataError(f"{output} belongs to the pipeline", next=advice)
    is_export = card.is_file() and MARK in card.read_text(encoding="utf-8", errors="replace")[:1000]
    if output.exists() and not is_export and not (output.is_dir() and not any(output.iterdir())):
        raise DataError(f"{output} exists and was not written by this command", next=advice)


def _write_tasks(choice: Choice, path: Path, folder: str) -> None:
    """Write annotated tasks of Label Studio.

    Images are addressed below the parent of the export, which is
    ``LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT``.
    """
    tasks = []
    for row in choice.images[[*choice.labelling.columns]].to_dict("records"):
        address = "/data/local-files/?d=" + quote(f"{folder}/{row['file_name']}")
        chosen = [
            {
                "from_name": name,
                "to_name": "image",
                "type": "choices",
                "value": {"choices": row[name] if isinstance(row[name], list) else [row[name]]},
            }
            for name in choice.labelling.lists or ("label",)
            if row[name]
        ]
        tasks.append({"data": {"image": address} | row, "annotations": [{"result": chosen}]})
    write_text(path, json.dumps(tasks, indent=1, ensure_ascii=False) + "\n")
