"""The images of the grid: those without a label, and those of the last run, with the features of each."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from pixmill.core.errors import DataError, PixmillError
from pixmill.core.files.cache import Cache
from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import keep_newest, target_within
from pixmill.core.names import class_by_name
from pixmill.core.params import Params
from pixmill.core.process.progress import announce
from pixmill.images.compute import Loss, RowLimits, default_workers, map_batches
from pixmill.images.depth import read_window
from pixmill.images.listing import files_below
from pixmill.models.classifier import Preprocessing
from pixmill.review.grid.feature_pass import file_features
from pixmill.review.grid.suggesting import DROPPED, sample_of
from pixmill.review.preview import ImageFile
from pixmill.review.review_tables import ReviewTables
from pixmill.scrape.sources.folder import FolderSource

_SIDE = 224
"""Input size in pixels if the model has no backbone; its own images may be too small for one."""

_HASHED = 512
_CHUNK = 64
"""Images that are hashed, and whose features are read or saved, at a time."""

_MAX_CACHE_BYTES = 4 * 2**30
"""Maximum size of the stores of features, 7 KB for an image; the oldest are deleted first."""

_PAUSE_SECONDS = 1.0
"""Time between two looks for images without features."""

_FILES = "files.sqlite"
"""Cache of the digests of files in ``data/``."""

Half = npt.NDArray[np.float16]
_Pass = Callable[[Sequence[str]], list[bytes | str]]


class Digests(NamedTuple):
    """Digests of a file in hexadecimal digits.

    Args:
        id: SHA-256, the image's id.
        md5: MD5, as in DVC's cache.
    """

    id: str
    md5: str


class Pile:
    """All images that the grid can show, by row; rows never change their number, new files are appended.

    The first rows are the images that validate kept; then come images of ``data/`` that no run has
    seen: those of class folders, and those of ``evaluate.unlabelled`` (default:
    ``data/unlabelled``). Within a ``with`` block a thread hashes the files, then computes features,
    those of the random sample first.

    Args:
        workspace: Folders of the project.
        params: Its parameters.
        tables: Tables of the last run. Default: none has finished.

    Attributes:
        names: File of each row, relative to the project folder; changes when the image is moved.
        ids: Id of each row, the sha256 of its bytes; ``None`` until it is hashed.
        labels: Label of each row; ``None`` without one, :data:`DROPPED` if it was dropped, is gone,
            or is a copy of another row.
        queries: Query of the scrape that found each row; ``None`` if there was none.
        featured: Whether each row has features.
        broken: Why rows have no features, in one word.
        kept: Number of the first rows, which validate kept.
        version: Grows with each change of labels or rows.

    Raises:
        DataError: ``data/metadata.csv`` is malformed, or a folder of a fixed split is missing.
    """

    def __init__(
        self, workspace: Workspace, params: Params, tables: ReviewTables | None = None
    ) -> None:
        self.root = workspace.root
        self.tables = tables
        self.params = params
        self.version = 0
        self.unlabelled = params.evaluate.unlabelled or "data/unlabelled"
        self.lock = threading.RLock()
        self._scratch = workspace.scratch("review") / "features"
        self._seen = set[str]()
        self.dropped = set[str]()
        self.names = list[str]()
        self.ids = list[str | None]()
        self.labels = list[str | None]()
        self.queries = list[str | None]()
        if tables is not None:
            rows = tables.manifest[tables.manifest["verdict"] == "keep"]
            self._seen = set(tables.places())
            queries = tables.queries()
            self.names = [f"artifacts/scrape/{path}" for path in rows["path"]]
            self.ids = rows["id"].tolist()
            self.labels = rows["label"].astype(object).tolist()
            self.queries = [queries.get(name) for name in rows["id"]]
        self.kept = len(self.names)
        self.featured = np.zeros(self.kept, bool)
        self.broken: dict[int, str] = {}
        self._run: _Pass | None = None
        self._store = self._scratch / "none.sqlite"
        self._problem: str | None = None
        self._rows = {name: row for row, name in enumerate(self.names)}
        self._by_id = {name: [row] for row, name in enumerate(self.ids) if name is not None}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="features", daemon=True)
        self.add(self.scan())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(_PAUSE_SECONDS)
        if self._thread.is_alive():
            announce("Finishing the features that have begun …")
            self._thread.join()

    def __len__(self) -> int:
        return len(self.names)

    def row(self, name: str) -> int | None:
        """Return the row of a file; ``None`` for an unknown one."""
        return self._rows.get(name)

    def progress(self) -> dict[str, Any]:
        """Return numbers of images that are not dropped, and ``problem`` (text or ``None``).

        ``files``: all. ``hashed`` and ``featured``: those whose id and features are known.
        ``broken``: those that cannot have features, and hidden ones that cannot be read.
        """
        rows = [row for row, label in enumerate(self.labels) if label != DROPPED]
        numbers = {
            "files": len(rows),
            "hashed": sum(self.ids[row] is not None for row in rows),
            "featured": int(self.featured[rows].sum()),
            "broken": sum(
                self.labels[row] != DROPPED or self.ids[row] is None for row in [*self.broken]
            ),
        }
        return {**numbers, "problem": self._problem}

    def scan(self) -> dict[str, str | None]:
        """Return the labels of the files in ``data/`` that no run has seen, by name; 0.5 seconds for 100,000 files."""
        found: dict[str, str | None] = {}
        params = self.params.scrape
        data = self.root / "data"
        if "folder" in self.params.sources() and data.is_dir():
            known = class_by_name(self.params.classes, params.folder.classes)
            source = FolderSource(data, layout=params.folder.layout, classes=known)
            for label in self.params.classes:
                found |= dict.fromkeys(
                    (f"data/{name}" for _, name in source.files.get(label, ())), label
                )
        for name in _names_below(self.root, self.unlabelled):
            found.setdefault(name, None)
        return {name: label for name, label in found.items() if name not in self._seen}

    def add(self, found: Mapping[str, str | None]) -> None:
        """Append the files of :meth:`scan` that are new, and hide rows whose file is gone."""
        with self.lock:
            new = [
                name for name in found if name not in self._rows and (self.root / name).is_file()
            ]
            for name in new:
                self._rows[name] = len(self.names)
                self.names.append(name)
                self.ids.append(None)
                self.labels.append(found[name])
                self.queries.append(None)
            self.featured = np.append(self.featured, np.zeros(len(new), bool))
            gone = [
                row
                for row, name in enumerate(self.names[self.kept :], self.kept)
                if name not in found
                and self.labels[row] != DROPPED
                and not (self.root / name).is_file()
            ]
            for row in gone:
                self.labels[row] = DROPPED
                del self._rows[self.names[row]]
            self.version += bool(new or gone)

    def move(self, row: int, name: str, label: str | None) -> None:
        """Change the file and the label of a row."""
        with self.lock:
            self._rows.pop(self.names[row], None)
            self._rows[name] = row
            self.names[row] = name
            self.labels[row] = label

    def identify(self, rows: Sequence[int]) -> list[Digests | None]:
        """Return digests of files in ``data/``; those of unchanged files are cached.

        ``None`` for missing files, and for those that cannot be read, which are hidden.
        """
        keys: dict[int, bytes] = {}
        for row in rows:
            with contextlib.suppress(OSError):
                keys[row] = _key(self.root, self.names[row])
        digests: dict[int, bytes] = {}
        with Cache(self._scratch.with_name(_FILES)) as cache:
            known = cache.read([*keys.values()])
            new = {}
            for row, key in keys.items():
                try:
                    digests[row] = new[key] = known.get(key) or _digests(self.root, self.names[row])
                except FileNotFoundError:  # moved meanwhile, or deleted
                    continue
                except (OSError, RuntimeError):  # RuntimeError: a loop of links
                    self.broken[row] = "unreadable"
                    self.labels[row] = DROPPED
                    self.version += 1
            cache.write({key: value for key, value in new.items() if key not in known})
        found = {row: Digests(value[:32].hex(), value[32:].hex()) for row, value in digests.items()}
        with self.lock:
            for row, digest in found.items():
                self._know(row, digest.id)
        return [found.get(row) for row in rows]

    def features(self, rows: Sequence[int]) -> Half:
        """Return the features of rows, shape (n, width); NaN for those without features, width 1 if none has any."""
        keys = {
            place: bytes.fromhex(str(self.ids[row]))
            for place, row in enumerate(rows)
            if self.featured[row]
        }
        with Cache(self._store) as store:
            stored = store.read([*keys.values()])
        found = {
            place: np.frombuffer(stored[key], "<f2") for place, key in keys.items() if key in stored
        }
        width = len(next(iter(found.values()))) if found else 1
        every = np.full((len(rows), width), np.nan, np.float16)
        for place, values in found.items():
            every[place] = values
        return every

    def image(self, row: int) -> ImageFile:
        """Return the location of an image, for previews; it is hashed now unless its id is known.

        Raises:
            DataError: The file is missing or cannot be read.
        """
        if self.ids[row] is None:
            self.identify([row])
        if (name := self.ids[row]) is None:
            raise DataError(
                f"{self.names[row]} is missing or cannot be read", next="load the page again"
            )
        return ImageFile(
            name, self.root / self.names[row], self.params.validate.max_pixels, self._window
        )

    @property
    def _window(self) -> Any:
        return read_window(self.root / "artifacts/validate")

    def _know(self, row: int, name: str) -> None:
        """Set the id of a row, and hide unlabelled files with the bytes of another row, or that a run knows."""
        if self.ids[row] == name:
            return
        if (old := self.ids[row]) is not None:  # the file has changed
            self._by_id[old].remove(row)
            self.featured[row] = False
        self.ids[row] = name
        same = self._by_id.setdefault(name, [])
        is_known = self.tables is not None and self.tables.row(name) is not None
        if is_known or name in self.dropped:
            self.labels[row] = DROPPED
        elif same:
            hidden = (
                row
                if self.labels[row] is None
                else next((each for each in same if self.labels[each] is None), -1)
            )
            if hidden >= 0:
                self.labels[hidden] = DROPPED
        same.append(row)
        self.version += self.labels[row] == DROPPED

    def rows_of(self, name: str) -> Sequence[int]:
        """Return the rows of an id."""
        return self._by_id.get(name, ())

    def _work(self) -> None:
        """Hash files and compute features until the block ends."""
        while not self._stop.is_set():
            self._hash()
            if self._problem is None:
                try:
                    self._compute()
                except (PixmillError, OSError, ImportError, ValueError) as error:
                    self._problem = str(error)
            self._stop.wait(_PAUSE_SECONDS)

    def _hash(self) -> None:
        rows = [
            row for row, name in enumerate(self.ids) if name is None and self.labels[row] != DROPPED
        ]
        for start in range(0, len(rows), _HASHED):
            if not self._stop.is_set():
                self.identify(rows[start : start + _HASHED])

    def _compute(self) -> None:
        """Compute the features of all rows that lack them."""
        waiting = [row for row, name in enumerate(self.ids) if name and not self.featured[row]]
        waiting = [row for row in waiting if row not in self.broken and self.labels[row] != DROPPED]
        if not waiting or self._stop.is_set():
            return
        run = self._open_network()
        with Cache(self._store) as store:
            for start in range(0, len(waiting), _CHUNK):
                keys = {
                    row: bytes.fromhex(str(self.ids[row]))
                    for row in waiting[start : start + _CHUNK]
                }
                stored = store.read([*keys.values()])
                self._have(row for row, key in keys.items() if key in stored)
            waiting = [row for row in waiting if not self.featured[row]]
            order = sample_of([str(self.ids[row]) for row in waiting], len(waiting))
            for done in self._extract(run, [waiting[place] for place in order]):
                store.write(
                    {bytes.fromhex(str(self.ids[row])): values for row, values in done.items()}
                )
                self._have(done)

    def _have(self, rows: Iterable[int]) -> None:
        with self.lock:  # `add` replaces the array
            self.featured[[*rows]] = True

    def _open_network(self) -> _Pass:
        """Return the pass with the backbone of the params; of several, the fastest: that of the smallest images."""
        if self._run is None:
            # Imports TensorFlow, which takes seconds, unless the backbone is converted already.
            from pixmill.models.layers import origin_of
            from pixmill.models.litert_export import convert_backbone

            params = self.params
            split = self.params.split
            size = split.image_size if params.train.kind.on_features else _SIDE
            network = min(params.train.backbone.networks, key=lambda each: each.image_size or size)
            train = params.train.model_copy(update={"backbone": network})
            side = network.image_size if isinstance(network.image_size, int) else size
            self._scratch.mkdir(exist_ok=True)
            file = convert_backbone(
                network,
                image_size=side,
                scratch=self._scratch,
                threads=train.threads,
                **origin_of(train, self.root),
            )
            content = file.read_bytes()
            preprocessing = Preprocessing(side, split.aspect, split.resize)
            preprocessing = replace(preprocessing, max_pixels=params.validate.max_pixels)
            self._run = partial(
                file_features, network=content, preprocessing=preprocessing, root=self.root
            )
            digest = blake3(f"{version('ai-edge-litert')} {preprocessing}".encode()).update(content)
            self._store = self._scratch / f"{digest.hexdigest(length=16)}.sqlite"
            keep_newest(self._scratch.glob("*.sqlite"), _MAX_CACHE_BYTES)
        return self._run

    def _extract(self, run: _Pass, rows: Sequence[int]) -> Iterator[dict[int, bytes]]:
        """Yield features by row, a few at a time, and note why others have none."""
        sent: list[str] = []

        def names() -> Iterator[str]:
            for row in rows:
                sent.append(self.names[row])
                yield sent[-1]

        params = self.params.validate
        done = dict[int, bytes]()
        limits = RowLimits(params.timeout, params.memory << 20)
        workers = max(1, default_workers() - 1)  # the page stays quick
        results = map_batches(
            run, names(), workers=workers, limits=limits, lost=_reason, local=True
        )
        for place, (row, result) in enumerate(zip(rows, results, strict=True)):
            if self._stop.is_set():
                return
            if isinstance(result, bytes):
                done[row] = result
            elif self.names[row] == sent[place]:  # not moved meanwhile
                self.broken[row] = result
            if len(done) >= _CHUNK:
                yield done
                done = {}
        yield done


def find_hashed(workspace: Workspace, folder: str, name: str) -> Path | None:
    """Return the file of a folder that has an id, if a grid has hashed it before; no file is read."""
    keys: dict[bytes, str] = {}
    for file in _names_below(workspace.root, folder):
        with contextlib.suppress(OSError):
            keys[_key(workspace.root, file)] = file
    with Cache(workspace.scratch("review") / _FILES) as cache:
        known = cache.read([*keys])
    return next(
        (workspace.root / keys[key] for key, value in known.items() if value[:32].hex() == name),
        None,
    )


def _names_below(root: Path, folder: str) -> Iterator[str]:
    """Yield the files below a folder of the project, relative to the project folder."""
    start = len(str(root)) + 1
    for _, path in files_below(root / folder) if (root / folder).is_dir() else ():
        yield str(path)[start:].replace(os.sep, "/")


def _key(root: Path, name: str) -> bytes:
    """Return the key of a file in the cache, which changes with its size and time."""
    state = (root / name).stat()
    return f"{name}\0{state.st_size}\0{state.st_mtime_ns}".encode("utf-8", "surrogateescape")


def _reason(_: str, loss: Loss) -> str:
    return loss


def _digests(root: Path, name: str) -> bytes:
    path = root / name
    if path.is_symlink() and target_within(path, root / "data") is None:
        raise PermissionError("a link out of data/, which scrape does not read, either")
    content = path.read_bytes()
    return hashlib.sha256(content).digest() + hashlib.md5(content, usedforsecurity=False).digest()
