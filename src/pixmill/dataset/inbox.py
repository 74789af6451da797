"""The inbox: a folder of images with corrected labels, kept until they are reviewed.

``corrections/<time>-<digest of image and label>`` holds one correction: a line of JSON, then the
bytes of the image. It is written atomically. ``dropped/<id>`` is an empty file that marks an image
which a reviewer dropped.
"""

import contextlib
import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pixmill.core.cells import render_cells
from pixmill.core.errors import DataError, LockedError, PixmillError
from pixmill.core.files.writing import (
    file_mark,
    hold_lock,
    place_within,
    remove_temporary,
    storage_errors,
    sync_folder,
    write_durably,
)
from pixmill.core.process.progress import track

_LOCK_TIMEOUT_SECONDS = 10.0

_ID = Field(pattern="^[0-9a-f]{64}$")


class InboxFullError(PixmillError):
    """The inbox is full until it is reviewed."""


class Correction(BaseModel):
    """The label that a user gives an image, and the prediction of the model.

    Args:
        id: The sha256 of the image's bytes.
        extension: Extension of its format, without the dot.
        bytes: Its size.
        label: The user's label; ``None``: none of the classes.
        labels: What the user says of each label, if images have several; ``label`` is then
            ``None``.
        prediction: The prediction: ``label``, ``confidence`` (0 to 1), ``sure``, ``unlike``
            (missing in earlier versions) and ``probabilities``.
        model: The model that made it: ``name``, ``version`` and ``digest``.
        received: Time in UTC.
        original: Id of the test image that this image was made from, if it is one of the server's
            examples.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="null")

    id: Annotated[str, _ID]
    extension: Annotated[str, Field(pattern="^[a-z0-9]{1,5}$")]
    bytes: Annotated[int, Field(ge=0)]
    label: str | None
    prediction: dict[str, Any]
    model: dict[str, Any]
    received: datetime
    original: Annotated[str, _ID] | None = None
    labels: dict[str, bool] | None = None

    @property
    def answer(self) -> str | None:
        """The label, or the text of the cells as in :mod:`pixmill.core.cells`."""
        return self.label if self.labels is None else render_cells(self.labels)


@dataclass(frozen=True)
class Entry:
    """An image of the inbox.

    Args:
        id: The sha256 of its bytes.
        corrections: Its corrections, newest first; at least one.
        names: Names of their files relative to the inbox, in the same order.
    """

    id: str
    corrections: tuple[Correction, ...]
    names: tuple[str, ...]

    @property
    def original(self) -> str:
        """Id of the image in the manifest: its own, or that of the original of an example."""
        return self.corrections[0].original or self.id


class Inbox:
    """Keep corrections in a folder, which several servers, reviewers and threads may share.

    Args:
        place: The folder; created when it is first locked.
        max_bytes: Maximum size of all corrections with their images.
        max_entries: Maximum number of corrections.

    Raises:
        PixmillError: It is a file.
    """

    def __init__(self, place: Path, max_bytes: int = 1 << 30, *, max_entries: int = 10_000) -> None:
        if place.exists() and not place.is_dir():
            raise PixmillError(
                f"{place} is not a folder", next="name another for the inbox: --inbox DIR"
            )
        self.place = str(place)
        self._path = place
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._is_swept = False
        self._known: tuple[tuple[int, ...], dict[str, int]] = ((), {})

    @contextlib.contextmanager
    def lock(self, *, then: str) -> Iterator[None]:
        """Lock the folder against writes of other processes and threads.

        Args:
            then: The next command, for error messages.

        Raises:
            LockedError: It was locked for ten seconds.
            StorageError: The disk is full, or the folder may not be written.
        """
        refusal = LockedError(
            f"other processes have locked {self.place} for {_LOCK_TIMEOUT_SECONDS:g} seconds",
            next=then,
        )
        with storage_errors(then=then):
            for folder in ("corrections", "dropped"):
                place_within(self._path / folder, self._path).mkdir(parents=True, exist_ok=True)
            with hold_lock(self._path / ".lock", refusal, timeout=_LOCK_TIMEOUT_SECONDS):
                if not self._is_swept:
                    remove_temporary(self._path)
                    sync_folder(self._path)
                    self._is_swept = True
                yield

    def add(
        self,
        content: bytes,
        *,
        extension: str,
        prediction: Mapping[str, Any],
        label: str | None,
        model: Mapping[str, Any],
        original: str | None = None,
        labels: Mapping[str, bool] | None = None,
        charge: Callable[[float], None] | None = None,
    ) -> str:
        """Save a correction in place of an equal one; then it survives SIGKILL and power loss.

        Args:
            content: The image, unchanged.
            extension: Extension of its format, such as ``.jpg``; detected from the content, never a
                client's.
            prediction: As in :class:`Correction`.
            label: As in :class:`Correction`.
            model: As in :class:`Correction`.
            original: As in :class:`Correction`.
            labels: As in :class:`Correction`.
            charge: Called with the part of the inbox that it takes, 0 to 1, unless it replaces an
                equal one; an error that it raises prevents the addition.

        Returns:
            The sha256 of the image.

        Raises:
            InboxFullError: The inbox is full.
            LockedError: The folder was locked for ten seconds.
            StorageError: The disk is full or may not be written; nothing was added.
        """
        correction = Correction(
            id=hashlib.sha256(content).hexdigest(),
            extension=extension.removeprefix("."),
            bytes=len(content),
            label=label,
            prediction=dict(prediction),
            model=dict(model),
            received=datetime.now(UTC).replace(microsecond=0),
            original=original,
            labels=None if labels is None else dict(labels),
        )
        with self.lock(then="send the feedback again"):
            # The same statement about the same image replaces the earlier one.
            key = _key(correction.id, correction.answer)
            known = self._sizes()
            others = {name: size for name, size in known.items() if not name.endswith(key)}
            earlier = known.keys() - others
            # Without several labels, the file is as it always was.
            line = correction.model_dump_json(exclude={"labels"} if labels is None else None)
            body = f"{line}\n".encode() + content
            total = sum(others.values()) + len(body)
            if len(others) >= self._max_entries or total > self._max_bytes:
                raise InboxFullError(
                    f"{self.place} is full: it has {len(others):,} corrections, and takes at most "
                    f"{self._max_entries:,} or {self._max_bytes >> 20:,} MiB",
                    next="pixmill review",
                )
            if charge and not earlier:
                charge(max(len(content) / self._max_bytes, 1 / self._max_entries))
            name = f"corrections/{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}{key}"
            write_durably(self._path / name, body)
            self._delete(earlier - {name})
            self._known = (file_mark(self._path / "corrections"), {**others, name: len(body)})
        return correction.id

    def withdraw(
        self, name: str, label: str | None, labels: Mapping[str, bool] | None = None
    ) -> None:
        """Delete the correction of an image with this label, if it is there.

        Args:
            name: Id of the image.
            label: The label of :meth:`add`.
            labels: The labels of :meth:`add`.
        """
        answer = label if labels is None else render_cells(labels)
        with self.lock(then="send the feedback again"):
            names = self._names("corrections")
            self._delete(each for each in names if each.endswith(_key(name, answer)))

    def entries(self) -> tuple[list[Entry], int]:
        """Return images with corrections, last corrected first, and the number of malformed files.

        Dropped images are left out.
        """
        found: dict[str, list[tuple[Correction, str]]] = {}
        malformed = 0
        dropped = self.dropped_ids()
        for name, item in self._corrections():
            if item is None:
                malformed += 1
            elif item.id not in dropped:
                found[item.id] = [(item, name), *found.pop(item.id, [])]
        return [
            Entry(image, *zip(*items, strict=True)) for image, items in reversed(found.items())
        ], malformed

    def read_image(self, entry: Entry) -> bytes:
        """Return the bytes of an image; empty if its files are gone."""
        for name in entry.names:
            with contextlib.suppress(FileNotFoundError):
                return (self._path / name).read_bytes().partition(b"\n")[2]
        return b""

    def dropped_ids(self) -> frozenset[str]:
        """Return the ids of images that a reviewer dropped."""
        return frozenset(Path(name).name for name in self._names("dropped"))

    def drop(self, ids: Iterable[str]) -> None:
        """Mark images as dropped: :meth:`entries` never returns them again.

        Args:
            ids: Their ids.

        Raises:
            LockedError: The folder was locked for ten seconds.
            StorageError: The folder may not be written.
        """
        with self.lock(then="repeat the decision"):
            for name in set(ids) - self.dropped_ids():
                write_durably(self._path / "dropped" / name, b"")

    def restore(self, name: str) -> None:
        """Undo :meth:`drop` for one image."""
        with self.lock(then="repeat the decision"):
            self._delete([f"dropped/{name}"])

    def take_over(self, folder: Path) -> int:
        """Move the corrections of another inbox into this one, and return their number.

        Each is on disk here before it is deleted there, so a killed move can be repeated.

        Args:
            folder: The other inbox.

        Raises:
            DataError: There is no such folder.
            LockedError: The folder was locked for ten seconds.
            StorageError: A folder may not be used; corrections that were not moved stay.
        """
        if not folder.is_dir():
            raise DataError(f"{folder} does not exist", next="pixmill review --inbox FOLDER|ZIP")
        self.drop(Inbox(folder).dropped_ids())
        files = sorted((folder / "corrections").glob("[!.]*"))
        files = [path for path in files if path.is_file() and not path.is_symlink()]
        with self.lock(then=f"pixmill review --inbox {folder}"):
            for path in track(files, "Move corrections"):
                write_durably(self._path / "corrections" / path.name, path.read_bytes())
                path.unlink()
        return len(files)

    def remove(self, names: Collection[str]) -> None:
        """Delete corrections, and those of dropped images.

        Args:
            names: Names of their files, from :meth:`entries`.

        Raises:
            LockedError: The folder was locked for ten seconds.
            StorageError: The folder may not be written.
        """
        dropped = self.dropped_ids()
        if names or dropped:
            with self.lock(then="pixmill review"):
                self._delete(
                    [
                        *names,
                        *(
                            name
                            for name, item in self._corrections()
                            if item and item.id in dropped
                        ),
                    ]
                )

    def _corrections(self) -> Iterator[tuple[str, Correction | None]]:
        """Yield the name of each file in order of time, and its correction if it is valid."""
        for name in self._names("corrections"):
            # Another process may just have removed it.
            with contextlib.suppress(FileNotFoundError), (self._path / name).open("rb") as file:
                line = file.readline()
                try:
                    yield name, Correction.model_validate_json(line)
                except ValidationError:
                    yield name, None

    def _sizes(self) -> dict[str, int]:
        """Return the size of each correction by name; it lists them only after others changed them."""
        mark, known = self._known
        if mark != file_mark(self._path / "corrections"):
            return {name: (self._path / name).stat().st_size for name in self._names("corrections")}
        return known

    def _names(self, folder: str) -> list[str]:
        return sorted(f"{folder}/{path.name}" for path in (self._path / folder).glob("[!.]*"))

    def _delete(self, names: Iterable[str]) -> None:
        """Delete files durably."""
        for name in names:
            (self._path / name).unlink(missing_ok=True)
            sync_folder((self._path / name).parent)


def _key(name: str, label: str | None) -> str:
    """Return the end of the name of a correction's file."""
    return f"-{hashlib.sha256(f'{name} {label}'.encode()).hexdigest()[:16]}"
