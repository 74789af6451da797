"""Predict a stream of images, and write the answers."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from pixmill.core.errors import DataError
from pixmill.core.files.writing import write_text
from pixmill.core.process.progress import track
from pixmill.images import EXTENSIONS, OTHER_FORMATS, sniff
from pixmill.models.classifier import Prediction
from pixmill.models.inference import predict_images
from pixmill.serve.predict.inputs import Input, InputStream, Url
from pixmill.serve.predict.model import Model
from pixmill.serve.predict.outputs import Row, write_csv, write_jsonl, write_parquet

if TYPE_CHECKING:
    from pixmill.models.inference import Row as Image
    from pixmill.web.fetch import Network

FORMATS = ("csv", "jsonl", "parquet", "html")
"""The kinds of output."""

_AT_A_TIME = 16
"""URLs that are fetched at the same time."""

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
        DataError: One is an image, a folder or a device, its folder is a file, or two are the same.
    """
    seen: set[Path] = set()
    for output in outputs:
        path, advice = output.path.resolve(), f"name a file: --{output.format} answers.{output.format}"
        if output.path.name in ("", "-") or (path.exists() and not path.is_file()):
            raise DataError(f"{output.path} is not a regular file", next=advice)
        if not next(folder for folder in path.parents if folder.exists()).is_dir():
            raise DataError(f"{path.parent} is not a folder", next=advice)
        if path.exists() and sniff(path.read_bytes()[:4096]) in EXTENSIONS | OTHER_FORMATS:
            raise DataError(f"{output.path} is an image, and would be replaced", next=advice)
        if path in seen:
            raise DataError(f"{output.path} is named twice", next="name one file for each output")
        seen.add(path)


def predict(
    model: Model, inputs: Iterable[Input], *, network: Network | None = None, workers: int | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the row of each input, in order, as a stream; broken files and refused URLs are rows with a reason.

    Args:
        model: The model.
        inputs: The images, consumed lazily.
        network: What may be reached beside the public internet; nothing by default.
        workers: Number of processes; default: as in :func:`pixmill.models.inference.predict_images`.

    Yields:
        A row with the columns of :func:`pixmill.models.inference.answers_schema`.
    """
    waiting: deque[str] = deque()

    def images() -> Generator[Image, None, None]:
        for each, image in _fetched(inputs, network):
            waiting.append(each.name)
            yield image

    with closing(images()) as stream, closing(predict_images(model.path, stream, workers=workers)) as answers:
        for answer in answers:
            yield answer.as_row(waiting.popleft(), model.labels)


def _fetched(inputs: Iterable[Input], network: Network | None) -> Iterator[tuple[Input, Image]]:
    """Yield each input, in order, with its file or its bytes, or with the reason why there are none."""
    stream = iter(inputs)
    while batch := list(islice(stream, _AT_A_TIME)):
        urls = [each.source for each in batch if isinstance(each.source, Url)]
        contents = iter(asyncio.run(_fetch(urls, network)) if urls else ())
        for each in batch:
            yield each, next(contents) if isinstance(each.source, Url) else each.source


async def _fetch(urls: Iterable[Url], network: Network | None) -> list[Image]:
    from pixmill.web.fetch import Fetched, Fetcher

    async with Fetcher(network=network) as fetcher:
        found = await asyncio.gather(*(fetcher.fetch(str(url)) for url in urls))
    return [
        each.content if isinstance(each, Fetched) else Prediction(reason=getattr(each, "reason", "unreadable"))
        for each in found
    ]


def predict_to_files(model: Model, images: InputStream, outputs: Iterable[Output], **options: Any) -> Iterator[Row]:
    """Predict images and write the outputs.

    Args:
        model: The model.
        images: The images.
        outputs: The files.
        options: As for :func:`predict`.

    Yields:
        Every row, once all outputs are written.
    """
    with TemporaryFile("w+", encoding="utf-8") as kept:
        for row in track(predict(model, images, **options), "Predict", images.count()):
            kept.write(f"{json.dumps(row)}\n")

        def rows() -> Iterator[Row]:
            kept.seek(0)
            return map(json.loads, kept)

        for output in outputs:
            _write(output, model, rows)
        yield from rows()


def _write(output: Output, model: Model, rows: Rows) -> None:
    if output.format == "html":
        from pixmill.serve.predict.gallery.report import render_gallery

        write_text(output.path, render_gallery(rows(), model, content=_file_of))
    else:
        writers = {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet}
        writers[output.format](output.path, rows, model.labels)


def _file_of(name: str) -> Path | None:
    path = Path(name)
    return path if path.is_file() else None
