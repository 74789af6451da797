"""Predict a stream of images, and write the answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixmill.core.errors import DataError
from pixmill.core.files import write_text
from pixmill.core.progress import Progress
from pixmill.images import EXTENSIONS, OTHER_FORMATS, sniff
from pixmill.learn.inference import predict_images
from pixmill.predict.fetching import fetch_inputs
from pixmill.predict.inputs import Input, InputStream
from pixmill.predict.model import Model
from pixmill.predict.outputs import Row, write_csv, write_jsonl, write_parquet
from pixmill.predict.prediction_journal import PredictionJournal

if TYPE_CHECKING:
    from pixmill.learn.inference import Row as Image
    from pixmill.web.fetch import Network

FORMATS = ("csv", "jsonl", "parquet", "html")
"""The kinds of output."""

_SUFFIXES = {
    ".csv": "csv",
    ".htm": "html",
    ".html": "html",
    ".json": "jsonl",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    **dict.fromkeys((".gz", ".ods", ".tsv", ".xls", ".xlsx", ".zip"), "another"),
}
"""Endings of files, and the format that programs expect in these."""

Rows = Callable[[], Iterable[Row]]


@dataclass(frozen=True)
class Output:
    """A file to write.

    Args:
        format: One of :data:`FORMATS`.
        path: The file.
    """

    format: str
    path: Path


def check_outputs(outputs: Iterable[Output]) -> None:
    """Refuse outputs that cannot be written as files, before any work, and those that would replace an image.

    Raises:
        DataError: One has the ending of another format, is an image, a folder or a device, its folder is a file, or two
            are the same.
    """
    seen: set[Path] = set()
    for output in outputs:
        path, advice = output.path.resolve(), f"name a file: --{output.format} answers.{output.format}"
        if _SUFFIXES.get(output.path.suffix.lower(), output.format) != output.format:
            raise DataError(f"{output.path} has the ending of another format than {output.format}", next=advice)
        if output.path.name in ("", "-") or (path.exists() and not path.is_file()) or _is_device(output.path):
            raise DataError(f"{output.path} is not a regular file", next=advice)
        if not next(folder for folder in path.parents if folder.exists()).is_dir():
            raise DataError(f"{path.parent} is not a folder", next=advice)
        if path.exists() and _is_image(path):
            raise DataError(f"{output.path} is an image, and would be replaced", next=advice)
        if path in seen:
            raise DataError(f"{output.path} is named twice", next="name one file for each output")
        seen.add(path)


def _is_device(path: Path) -> bool:
    """Tell whether a file would replace a device or a stream, such as ``/dev/stdout``."""
    folder = path.absolute().parent.resolve()
    return folder == Path("/dev") or folder.parts[1:2] == ("proc",)


def _is_image(path: Path) -> bool:
    with path.open("rb") as file:
        return sniff(file.read(4096)) in EXTENSIONS | OTHER_FORMATS


def predict(
    model: Model, inputs: Iterable[Input], *, network: Network | None = None, workers: int | None = None
) -> Iterator[tuple[Input, dict[str, Any]]]:
    """Yield each input and its row, in order, as a stream; broken files and refused URLs are rows with a reason.

    Args:
        model: The model.
        inputs: The images, consumed lazily.
        network: What may be reached beside the public internet; nothing by default.
        workers: Number of processes; default: as in :func:`pixmill.learn.inference.predict_images`.

    Yields:
        The input, and its row with the columns of :func:`pixmill.learn.inference.answers_schema`.
    """
    waiting: deque[Input] = deque()

    def images() -> Generator[Image, None, None]:
        with closing(fetch_inputs(inputs, network)) as found:
            for each, image in found:
                waiting.append(each)
                yield image

    with closing(images()) as stream, closing(predict_images(model.path, stream, workers=workers)) as answers:
        for answer in answers:
            each = waiting.popleft()
            yield each, answer.as_row(each.name, model.labels)


def predict_to_files(
    model: Model, images: InputStream, outputs: Iterable[Output], journal: PredictionJournal, **options: Any
) -> Iterator[Row]:
    """Predict images and write the outputs; what an earlier, killed run has finished is not repeated.

    Args:
        model: The model.
        images: The images.
        outputs: The files.
        journal: Keeps the finished rows until all outputs are written.
        options: As for :func:`predict`.

    Yields:
        Every row, once all outputs are written.
    """
    with journal:
        with Progress("Predict", images.count()) as progress:
            inputs = iter(images)
            for each in inputs:
                if not journal.reuse(each):
                    inputs = chain([each], inputs)
                    break
                progress.advance()
            journal.end()
            for each, row in predict(model, inputs, **options):
                journal.add(each, row)
                progress.advance()
        for output in outputs:
            _write(output, model, journal.rows)
        yield from journal.rows()


def _write(output: Output, model: Model, rows: Rows) -> None:
    if output.format == "html":
        from pixmill.pages.predict import render_gallery

        write_text(output.path, render_gallery(rows(), model, content=_file_of))
    else:
        writers = {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet}
        writers[output.format](output.path, rows, model.labels)


def _file_of(name: str) -> Path | None:
    path = Path(name)
    return path if path.is_file() else None
