"""A file of corrections, downloaded from a model that is one HTML file.

It is a zip of images and ``corrections.json``, made by strangers: nothing is unpacked to the disk,
and its names only find its own entries.
"""

import zipfile
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError

from pixmill.core.errors import DataError
from pixmill.core.process.progress import track
from pixmill.core.words import count
from pixmill.dataset.inbox import Inbox
from pixmill.images.formats import EXTENSIONS, sniff
from pixmill.images.read_errors import explain
from pixmill.images.verified_reading import UndecodableError

_LIST = "corrections.json"

_MAX_BYTES = 20 << 20
"""Maximum size of an entry: that of an image in ``pixmill serve``."""

_MAX_BYTES_IN_ALL = 1 << 30
"""As of an inbox; the entries of a decompression bomb may share their packed bytes."""

_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""Methods of which no more is unpacked than asked for; entries packed by others are ignored."""

_AGAIN = "ask for the file again, as the page of the model made it"

_Text = Annotated[str, Field(max_length=1000)]
_Share = Annotated[float, Field(ge=0, le=1)]


class _Prediction(BaseModel):
    label: _Text
    confidence: _Share
    sure: bool | None
    unlike: bool | None
    probabilities: dict[_Text, _Share]


class _Model(BaseModel):
    name: _Text
    version: _Text | None
    digest: _Text


class _Item(BaseModel):
    file: str
    label: _Text | None
    prediction: _Prediction


class _List(BaseModel):
    format: Literal[1]
    model: _Model
    corrections: list[_Item]


def has_corrections(file: Path) -> bool:
    """Return whether a file is a zip with ``corrections.json``.

    Raises:
        DataError: It is a damaged zip.
    """
    if not zipfile.is_zipfile(file):
        return False
    with _open(file) as archive:
        return _LIST in archive.namelist()


def take_in(file: Path, inbox: Inbox) -> list[str]:
    """Add the corrections of a file to an inbox; the file stays.

    After an error or a kill, those added are kept, and the file can be taken in again.

    Args:
        file: The zip.
        inbox: The inbox.

    Returns:
        For each correction, an empty string, or why its image was left out: the reason of an
        :class:`~pixmill.images.verified_reading.UndecodableError`.

    Raises:
        DataError: The file is no intact zip, or its list is missing or malformed.
        InboxFullError: The inbox is full.
        LockedError: The inbox was locked for ten seconds.
        StorageError: The disk is full or may not be written.
    """
    outcomes = list[str]()
    with _open(file) as archive:
        entries = {
            info.filename: info for info in archive.infolist() if info.compress_type in _METHODS
        }
        if sum(info.file_size for info in archive.infolist()) > _MAX_BYTES_IN_ALL:
            problem = f"{file} unpacks to more than {_MAX_BYTES_IN_ALL >> 30} GiB"
            raise DataError(problem, next="ask for the corrections in several files")
        try:
            packed = _unpack(archive, entries.get(_LIST))
            given = _List.model_validate_json(packed)
        except (UndecodableError, ValidationError) as error:
            problem = f"{file} has no {_LIST} that this version of Pixmill reads"
            raise DataError(problem, next=_AGAIN) from error
        for item in track(given.corrections, "Take in corrections", unit="correction"):
            try:
                # Each entry is read once, however often the list names it.
                content = _unpack(archive, entries.pop(item.file, None))
                inbox.add(
                    content,
                    extension=_extension(content),
                    prediction=item.prediction.model_dump(),
                    label=item.label,
                    model=given.model.model_dump(),
                )
                outcomes.append("")
            except UndecodableError as error:
                outcomes.append(error.reason)
    return outcomes


def describe(outcomes: list[str]) -> str:
    """Return the outcomes of :func:`take_in` in a line."""
    left_out = [reason for reason in outcomes if reason]
    line = f"{count(len(outcomes) - len(left_out), 'correction')} copied to inbox/."
    if left_out:
        line += f" Left out: {'; '.join(what for _, what, _ in explain(left_out))}."
    return line


def _open(file: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except Exception as error:  # zipfile raises all kinds of exceptions.
        raise DataError(f"{file} cannot be read as a zip: {error}", next=_AGAIN) from error


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo | None) -> bytes:
    """Return the content of an entry.

    Raises:
        UndecodableError: ``missing_file``, ``too_many_bytes``, or ``broken``: damaged or encrypted.
    """
    if entry is None:
        raise UndecodableError("missing_file")
    if entry.file_size > _MAX_BYTES:
        raise UndecodableError("too_many_bytes")
    try:
        with archive.open(entry) as stream:
            # Without the size, an entry may unpack to more than it declares.
            return stream.read(entry.file_size)
    except Exception as error:  # zipfile raises all kinds of exceptions.
        raise UndecodableError("broken", str(error)) from error


def _extension(content: bytes) -> str:
    """Return the extension of an image's format.

    Raises:
        UndecodableError: It is not an image, judged by its first bytes.
    """
    kind = sniff(content)
    if kind not in EXTENSIONS:
        raise UndecodableError(kind)
    return EXTENSIONS[kind]
