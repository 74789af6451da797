"""Predict a stream of images, and write the predictions as CSV, JSON Lines, Parquet or HTML."""

from __future__ import annotations

import asyncio
import csv
import json
import os
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

from pixmill import __version__
from pixmill.core.errors import DataError
from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import file_mark, replacing, write_text
from pixmill.core.process.progress import announce, track
from pixmill.core.words import count, spreadsheet_cell
from pixmill.images.formats import EXTENSIONS, OTHER_FORMATS, sniff
from pixmill.models.classifier import Prediction
from pixmill.models.inference import content_of, predict_images
from pixmill.serve.predict.inputs import Input, InputStream
from pixmill.serve.predict.journal import Journal, Mark
from pixmill.serve.predict.model import Model
from pixmill.serve.predict.shifting import shift_answer

if TYPE_CHECKING:
    from pixmill.dataset.log_writer import PredictionLog
    from pixmill.fetch import Network
    from pixmill.models.inference import Row as Image

FORMATS = ("csv", "jsonl", "parquet", "html")
"""Formats of output files."""

_MAX_CONCURRENT_FETCHES = 16

_MAX_GROUP_VALUES = 1_000_000
"""Maximum number of values in a row group of Parquet, which is in memory; at least 1,000 rows."""

_NO_MARK = (-1,)
"""Matches no file, so the row is predicted again."""

T = TypeVar("T")

Row = Mapping[str, Any]
Rows = Callable[[], Iterable[Row]]
"""Returns an iterable over all rows; called repeatedly."""


@dataclass(frozen=True)
class Output:
    """An output file.

    Args:
        format: One of :data:`FORMATS`.
        path: Target file.
    """

    format: str
    path: Path


def check_outputs(outputs: Iterable[Output]) -> None:
    """Check the outputs before any work.

    Raises:
        DataError: An output is an image, a folder or a device, its folder is a file, or two outputs
            are the same file.
    """
    seen: set[Path] = set()
    for output in outputs:
        path = output.path.resolve()
        advice = f"name a file: --{output.format} answers.{output.format}"
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
    model: Model,
    inputs: Iterable[Input],
    *,
    network: Network | None = None,
    workers: int | None = None,
    log: PredictionLog | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield a row for each input in order; the row of a broken file or a refused URL has a reason.

    Args:
        model: The model.
        inputs: Images, consumed lazily.
        network: Addresses that may be reached in addition to the public internet; default: none.
        workers: Number of processes; default: as in
            :func:`pixmill.models.inference.predict_images`.
        log: Destination of a row for each prediction, which is that of the model without its
            shift, since :mod:`pixmill.serve.watch` compares it with those of test images; default:
            none.

    Yields:
        A row with the columns of :func:`pixmill.models.inference.answers_schema`.
    """
    waiting: deque[tuple[str, Image]] = deque()

    def images() -> Generator[Image, None, None]:
        for each, image in _fetched(inputs, network):
            waiting.append((each.name, image))
            yield image

    with (
        closing(images()) as stream,
        closing(
            predict_images(model.path, stream, workers=workers, observes=log is not None)
        ) as answers,
    ):
        for answer in answers:
            name, image = waiting.popleft()
            if log is not None:
                log.add(model.about, answer, partial(content_of, image))
            yield shift_answer(answer, model).as_row(name, model.labels)


def _fetched(inputs: Iterable[Input], network: Network | None) -> Iterator[tuple[Input, Image]]:
    """Yield each input in order with its file, its bytes, or the reason why there are none."""
    stream = iter(inputs)
    while batch := list(islice(stream, _MAX_CONCURRENT_FETCHES)):
        urls = [each.source for each in batch if isinstance(each.source, str)]
        contents = iter(_wait_for(_fetch(urls, network)) if urls else ())
        for each in batch:
            yield each, next(contents) if isinstance(each.source, str) else each.source


def _wait_for(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine.

    A notebook's thread runs an event loop already, so another thread runs it.
    """
    if asyncio._get_running_loop() is None:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(asyncio.run, work).result()


async def _fetch(urls: Iterable[str], network: Network | None) -> list[Image]:
    from pixmill.fetch import Fetched
    from pixmill.fetch.fetcher import Fetcher

    async with Fetcher(network=network) as fetcher:
        found = await asyncio.gather(*(fetcher.fetch(url) for url in urls))
    return [
        each.content
        if isinstance(each, Fetched)
        else Prediction(reason=getattr(each, "reason", "unreadable"))
        for each in found
    ]


def keeps_rows(root: Path | None) -> bool:
    """Return whether the rows of a stopped prediction are kept: in a project that is writable."""
    return root is not None and os.access(root, os.W_OK)


def predict_to_files(
    model: Model,
    images: InputStream,
    outputs: Iterable[Output],
    *,
    root: Path | None = None,
    deliver: Callable[[Iterator[tuple[Input, Row]]], None] | None = None,
    **options: Any,
) -> Iterator[Row]:
    """Predict images and write the outputs.

    If :func:`keeps_rows`, they are kept until then: the same call goes on where a killed one stopped.
    An image that changed since, or had no prediction, is predicted again.

    Args:
        model: The model.
        images: The images.
        outputs: Files to write.
        root: Project folder; ``None`` outside of a project.
        deliver: Receives all images with their rows once the outputs are written; default: none.
        options: Further arguments of :func:`predict`.

    Yields:
        All rows, once the outputs are written.
    """
    with TemporaryDirectory(prefix="pixmill-") as temporary:
        folder = Path(temporary)
        if root is not None and keeps_rows(root):
            folder = Workspace(root, root).scratch("predict") / "journals"
        key = [__version__, model.key, str(Path.cwd()), *images.words]
        with closing(Journal(folder, key)) as journal:
            _fill(journal, model, images, options)

            def pairs() -> Iterator[tuple[Input, Row]]:
                return ((each, journal.get(each.name)) for each in images if journal.has(each.name))

            def rows() -> Iterator[Row]:
                return (row for _, row in pairs())

            for output in outputs:
                if output.format == "html":
                    _write_html(output.path, rows, model)
                else:
                    flags = model.head.flags(model.labels)
                    _WRITERS[output.format](output.path, rows, model.labels, flags=flags)
            if deliver is not None:
                deliver(pairs())
            yield from rows()
            journal.discard()


def _fill(journal: Journal, model: Model, images: InputStream, options: Any) -> None:
    """Add the rows of the images that the journal lacks."""
    total = images.count()
    kept = sum(journal.has(each.name, _mark(each)) for each in images)
    if kept:
        announce(f"{kept:,} of {count(total, 'row')} are kept from before")
    marks: deque[Mark] = deque()

    def lacking() -> Iterator[Input]:
        for each in images:
            mark = _mark(each)
            if not journal.has(each.name, mark):
                marks.append(mark)
                yield each

    for row in track(predict(model, lacking(), **options), "Predict", total - kept):
        mark = marks.popleft()
        journal.add(row, mark if row["reason"] is None else _NO_MARK)


def _mark(image: Input) -> Mark:
    place = getattr(image.source, "path", image.source)
    return file_mark(place) if isinstance(place, Path) else ()  # of a URL, which is kept


def write_csv(
    path: Path,
    rows: Rows,
    labels: Sequence[str],
    more: Sequence[str] = (),
    flags: Sequence[str] = (),
) -> None:
    """Write a table for spreadsheets atomically.

    The encoding is UTF-8, with a byte order mark if anything is not ASCII, since Excel needs the
    mark. Numbers have six significant digits. Text that a spreadsheet would evaluate as a formula
    gets an apostrophe.

    Args:
        path: Target file.
        rows: Rows with the columns of :func:`pixmill.models.inference.answers_schema`.
        labels: Classes of the model.
        more: Further columns.
        flags: :meth:`pixmill.heads.Head.flags` of the model.
    """
    names = [*_columns(labels, flags), *more]
    plain = all(map(str.isascii, labels)) and all(row["path"].isascii() for row in rows())
    with (
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8" if plain else "utf-8-sig", newline="") as file,
    ):
        table = csv.writer(file, lineterminator="\n")
        table.writerow(names)
        table.writerows([spreadsheet_cell(row.get(name)) for name in names] for row in rows())


def write_jsonl(path: Path, rows: Rows, labels: Sequence[str], flags: Sequence[str] = ()) -> None:
    """Write one JSON object per line in UTF-8 atomically.

    Args:
        path: Target file.
        rows: Rows with the columns of :func:`pixmill.models.inference.answers_schema`.
        labels: Classes of the model.
        flags: :meth:`pixmill.heads.Head.flags` of the model.
    """
    names = _columns(labels, flags)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        for row in rows():
            file.write(
                json.dumps(
                    {name: row.get(name) for name in names}, ensure_ascii=False, allow_nan=False
                )
                + "\n"
            )


def write_parquet(path: Path, rows: Rows, labels: Sequence[str], flags: Sequence[str] = ()) -> None:
    """Write Parquet atomically.

    Args:
        path: Target file.
        rows: Rows with the columns of :func:`pixmill.models.inference.answers_schema`.
        labels: Classes of the model.
        flags: :meth:`pixmill.heads.Head.flags` of the model.
    """
    from pixmill.core.manifest import table_writer
    from pixmill.models.inference import answers_schema

    schema = answers_schema(labels, flags)
    stream = iter(rows())
    with table_writer(path, schema) as add:
        while group := list(islice(stream, max(1000, _MAX_GROUP_VALUES // len(schema)))):
            add(group)


def _write_html(path: Path, rows: Rows, model: Model) -> None:
    from pixmill.serve.predict.gallery.report import render_gallery

    def content(name: str) -> Path | None:
        return Path(name) if Path(name).is_file() else None

    folder = path.absolute().parent
    is_report = folder.name == "reports" and (folder.parent / "dvc.yaml").is_file()
    write_text(
        path,
        render_gallery(rows(), model, content=content, root=folder.parent if is_report else None),
    )


_WRITERS: dict[str, Callable[..., None]] = {
    "csv": write_csv,
    "jsonl": write_jsonl,
    "parquet": write_parquet,
}


def _columns(labels: Sequence[str], flags: Sequence[str]) -> list[str]:
    more = [*(f"p_{label}" for label in labels), *flags]
    return ["path", "id", "predicted", "confidence", "sure", "unlike", *more, "reason"]
