"""A file of corrections, downloaded from a model that is one HTML file.

It is a zip of images and ``corrections.json``, made by strangers: nothing is unpacked to the disk,
and its names only find its own entries.
"""

import hashlib
import zipfile
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, FailFast, Field

from pixmill.core.errors import DataError
from pixmill.core.process.progress import track
from pixmill.core.words import count
from pixmill.dataset.inbox import Inbox
from pixmill.images.formats import EXTENSIONS
from pixmill.images.read_errors import explain
from pixmill.images.verified_reading import UndecodableError, known_format
from pixmill.models.determinism import first_line

_LIST = "corrections.json"

_MAX_BYTES = 20 << 20
"""Maximum size of an entry: that of an image in ``pixmill serve`` and on the page."""

_MAX_CORRECTIONS = 10_000
"""As of an inbox, which also limits their size."""

_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""Methods of which no more is unpacked than asked for."""

_Text = Annotated[str, Field(max_length=1000)]
_Share = Annotated[float, Field(ge=0, le=1)]


class _Prediction(BaseModel):
    label: _Text
    confidence: _Share
    sure: bool | None
    unlike: bool | None


class _Model(BaseModel):
    name: _Text
    version: _Text | None
    digest: _Text


class _Item(BaseModel):
    file: str
    label: _Text | None
    labels: Annotated[dict[_Text, bool], Field(max_length=1000)] | None = None
    prediction: _Prediction


class _List(BaseModel, title=_LIST):
    format: Literal[1]
    model: _Model
    # Otherwise, the memory for errors is many times that of the list.
    corrections: Annotated[list[_Item], FailFast(), Field(max_length=_MAX_CORRECTIONS)]


def has_corrections(file: Path) -> bool:
    """Return whether a file is a zip of corrections that :func:`take_in` takes."""
    try:
        _read_list(file)
    except DataError:
        return False
    return True


def take_in(file: Path, inbox: Inbox) -> list[str]:
    """Add the corrections of a file to an inbox, the last one of each image; the file stays.

    After an error or a kill, those added are kept, and the file can be taken in again.

    Args:
        file: The zip.
        inbox: The inbox.

    Returns:
        For each correction, last first, an empty string, or why its image was left out: the reason
        of an :class:`~pixmill.images.verified_reading.UndecodableError`.

    Raises:
        DataError: The file is not a zip of corrections.
        InboxFullError: The inbox is full.
        LockedError: The inbox was locked for ten seconds.
        StorageError: The disk is full or may not be written.
    """
    given = _read_list(file)
    outcomes = list[str]()
    images = set[str]()
    with zipfile.ZipFile(file) as archive:
        entries = {info.filename: info for info in archive.infolist()}
        for item in track(given.corrections[::-1], "Take in corrections", unit="correction"):
            try:
                # Each entry is read once, however often the list names it.
                content = _unpack(archive, entries.pop(item.file, None))
                extension = EXTENSIONS[known_format(content)]
            except UndecodableError as error:
                outcomes.append(error.reason)
                continue
            image = hashlib.sha256(content).hexdigest()
            if image not in images:
                images.add(image)
                inbox.add(
                    content,
                    extension=extension,
                    prediction=item.prediction.model_dump(),
                    label=item.label,
                    labels=item.labels,
                    model=given.model.model_dump(),
                )
                outcomes.append("")
    return outcomes


def describe(file: Path, outcomes: list[str]) -> str:
    """Return the outcomes of :func:`take_in` in a line."""
    left_out = [reason for reason in outcomes if reason]
    line = f"inbox/ has {count(len(outcomes) - len(left_out), 'correction')} of {file.name}."
    if left_out:
        line += f" Left out: {'; '.join(what for _, what, _ in explain(left_out))}."
    return line


def _read_list(file: Path) -> _List:
    """Return the list of a file.

    Raises:
        DataError: It has none that this version reads.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            return _List.model_validate_json(_unpack(archive, archive.getinfo(_LIST)))
    except Exception as error:  # zipfile raises all kinds of exceptions.
        raise DataError(
            f"{file} is not a zip of corrections that this version of Pixmill reads: "
            f"{first_line(error)}",
            next="ask for the file again, as the page of the model made it",
        ) from error


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo | None) -> bytes:
    """Return the content of an entry.

    Raises:
        UndecodableError: ``missing_file``, ``too_many_bytes``, or ``broken``: damaged or encrypted.
    """
    if entry is None or entry.compress_type not in _METHODS:
        raise UndecodableError("missing_file")
    if entry.file_size > _MAX_BYTES:
        raise UndecodableError("too_many_bytes")
    try:
        with archive.open(entry) as stream:
            # Without the size, an entry may unpack to more than it declares.
            return stream.read(entry.file_size)
    except Exception as error:  # zipfile raises all kinds of exceptions.
        raise UndecodableError("broken", str(error)) from error
