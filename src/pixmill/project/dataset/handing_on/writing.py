"""Write the exported images with metadata, in the formats of other tools."""

import csv
import json
import shutil
from collections import defaultdict
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from pixmill.core.errors import DataError
from pixmill.core.files.writing import file_digest, fresh_folder, write_text
from pixmill.core.params import Params
from pixmill.core.process.progress import track
from pixmill.core.words import count
from pixmill.project.dataset.handing_on.card import MARK, render_attribution, render_data_card
from pixmill.project.dataset.handing_on.choosing import UNKNOWN, Choice, Handed
from pixmill.project.dataset.handing_on.croissant import croissant

DATA_FORMATS = ("imagefolder", "csv", "label-studio")

_TYPES = {".csv": "text/csv", ".jsonl": "application/jsonlines"}

CARD = "README.md"


def export_data(choice: Choice, output: Path, *, form: str, root: Path, params: Params) -> None:
    """Copy the images into a folder, with metadata, card, attributions and ``croissant.json``.

    The folder appears when it is complete, and replaces an earlier export.

    Args:
        choice: The images.
        output: The folder.
        form: One of :data:`DATA_FORMATS`.
        root: Project folder.
        params: Its params.

    Raises:
        DataError: The folder exists and is no earlier export, is in ``data/`` or ``artifacts/``, or an image is
            missing.
    """
    check_output(output, root)
    new = fresh_folder(output.with_name(f"{output.name}.part"))
    for image in track(choice.images, "Copy", len(choice.images)):
        copy = new / image.file
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(image.original, copy)
        except FileNotFoundError:
            raise DataError(f"{image.original} is missing", next="dvc checkout, or dvc repro") from None
    tables = _write_lines(choice.images, new) if form == "imagefolder" else _write_csv(choice.images, new)
    if form == "label-studio":
        _write_tasks(choice.images, new, output.name)
    name = root.resolve().name
    types = {Path(path).suffix: _TYPES[Path(path).suffix] for path in tables}
    for ending in sorted({image.original.suffix for image in choice.images}):
        types[ending] = f"image/{ending[1:].replace('jpg', 'jpeg')}"
    head = {
        "name": name,
        "description": f"{count(len(choice.images), 'labelled image')}, exported from the project {name}",
        "license": sorted({image.facts.licence or UNKNOWN for image in choice.images}),
        "datePublished": max(image.snapshot for image in choice.images),
    }
    digests = {path: file_digest(new / path) for path in tables}
    described = croissant(head, tables=digests, columns=choice.images[0].record(), types=types)
    write_text(new / "croissant.json", json.dumps(described, indent=2, ensure_ascii=False) + "\n")
    write_text(new / "ATTRIBUTION.md", render_attribution(choice))
    write_text(new / CARD, render_data_card(choice, name=name, root=root, params=params))
    if output.exists():
        shutil.rmtree(output)
    new.rename(output)


def check_output(output: Path, root: Path) -> None:
    """Raise :class:`DataError` if the folder holds files that an export must not replace."""
    advice, place, card = "choose another folder", output.resolve(), output / CARD
    if place == root.resolve() or any(place.is_relative_to((root / name).resolve()) for name in ("data", "artifacts")):
        raise DataError(f"{output} belongs to the pipeline", next=advice)
    is_export = card.is_file() and MARK in card.read_text(encoding="utf-8", errors="replace")[:1000]
    if output.exists() and not is_export and not (output.is_dir() and not any(output.iterdir())):
        raise DataError(f"{output} exists and was not written by this command", next=advice)


def _write_lines(images: list[Handed], folder: Path) -> list[str]:
    """Write ``metadata.jsonl`` for each split: Hugging Face ignores one above the folders of splits."""
    lines: dict[str, list[str]] = defaultdict(list)
    for image in images:
        split, _, name = image.file.partition("/")
        row = image.record() | {"file_name": name}
        lines[f"{split}/metadata.jsonl"].append(json.dumps(row, ensure_ascii=False))
    for path, rows in lines.items():
        write_text(folder / path, "\n".join(rows) + "\n")
    return list(lines)


def _write_csv(images: list[Handed], folder: Path) -> list[str]:
    with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, images[0].record(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(image.record() for image in images)
    return ["metadata.csv"]


def _write_tasks(images: list[Handed], folder: Path, name: str) -> None:
    """Write annotated tasks of Label Studio with its labelling configuration.

    Images are addressed below the parent of the export, which is ``LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT``.
    """
    tasks = []
    for image in images:
        address = f"/data/local-files/?d={quote(f'{name}/{image.file}')}"
        chosen = {
            "from_name": "label",
            "to_name": "image",
            "type": "choices",
            "value": {"choices": [image.facts.label]},
        }
        tasks.append({"data": {"image": address} | image.record(), "annotations": [{"result": [chosen]}]})
    write_text(folder / "tasks.json", json.dumps(tasks, indent=1, ensure_ascii=False) + "\n")
    choices = "".join(
        f"    <Choice value={quoteattr(label)}/>\n" for label in sorted({str(image.facts.label) for image in images})
    )
    write_text(
        folder / "labelling.xml",
        '<View>\n  <Image name="image" value="$image"/>\n  <Choices name="label" toName="image" choice="single">\n'
        f"{choices}  </Choices>\n</View>\n",
    )
