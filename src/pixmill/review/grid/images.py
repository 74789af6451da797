"""The images of a review with their features: those of the last run, corrections, new files."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from pixmill.core.errors import DataError, PixmillError
from pixmill.core.files.cache import Cache
from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import keep_newest, target_within
from pixmill.core.manifest import ASKED
from pixmill.core.params import Params
from pixmill.core.process.progress import announce
from pixmill.images.compute import RowLimits, default_workers, map_batches
from pixmill.images.depth import read_window
from pixmill.images.listing import files_below
from pixmill.models.classifier import Preprocessing
from pixmill.review.grid.feature_pass import file_features
from pixmill.review.grid.suggesting import sample_of
from pixmill.review.preview import ImageFile
from pixmill.review.review_tables import ReviewTables
from pixmill.scrape.sources.folder import FOLDERS
from pixmill.validate.reasons import word

_SIDE = 224
"""Input size in pixels if the model has no backbone; its own images may be too small for one."""

_HASHED = 512
_CHUNK = 64
"""Images that are hashed, and whose features are read or saved, at a time."""

_CHUNK_SECONDS = 0.5
"""Time after which features are saved if there are fewer."""

_FEW = 1000
"""Images whose features all processors compute; of more, one is left to the page."""

_MAX_CACHE_BYTES = 4 * 2**30
"""Maximum size of the stores of features, 7 KB for an image; the oldest are deleted first."""

_PAUSE_SECONDS = 1.0
"""Time between two looks for images without features."""

_SCAN_SECONDS = 10.0
"""Time between two looks for new files, or 20 times what a look takes."""

_FILES = "files.sqlite"
"""Cache of the digests of files in ``data/``."""

_DECIDED = ("unlabelled", "review", "disputed")
"""Reasons of drops that decisions make and undo: such images are in the grid."""

Half = npt.NDArray[np.float16]
_Pass = Callable[[Sequence[str]], list[bytes | str]]


class ImageTable:
    """All images that a review can show; what people decide about them is elsewhere.

    Rows never change their number. First come the images of the last run, in order of its manifest,
    then the new images of the inbox, then files of ``data/`` that no run has seen: those of class
    folders, and those of ``evaluate.unlabelled`` (default: ``data/unlabelled``). New files are
    appended. After :meth:`begin`, until the end of the ``with`` block, a thread looks for files,
    hashes them, and computes features, those of the random sample first.

    Args:
        workspace: Folders of the project.
        params: Its parameters.
        tables: Tables of the last run. Default: none has finished.
        corrections: Bytes of the new images of the inbox, read when needed, by id.

    Attributes:
        names: File of each row, relative to the project folder.
        places: File or URL at which each row was found first; empty for a correction.
        ids: Id of each row, the sha256 of its bytes; ``None`` until it is hashed.
        came: Labels that each row came with: none, one, or several that contradict each other.
        queries: Query of the scrape that found each row; ``None`` if there was none.
        asked: Rows of a log that people are asked about, by reason.
        hidden: Rows that the grid does not show: a rule dropped them, they are gone, unreadable, a
            copy of another row, or a correction.
        featured: Whether each row has features.
        broken: Why rows have no features, in one word.

    Raises:
        DataError: ``data/metadata.csv`` is malformed, or a folder of a fixed split is missing.
    """

    def __init__(
        self,
        workspace: Workspace,
        params: Params,
        tables: ReviewTables | None = None,
        corrections: Mapping[str, Callable[[], bytes]] | None = None,
    ) -> None:
        self.root = workspace.root
        self.tables = tables
        self._params = params
        self._folder = params.evaluate.unlabelled or "data/unlabelled"
        self._scratch = workspace.scratch("review") / "features"
        self._lock = threading.RLock()
        self._corrections = corrections or {}
        self._seen = set[str]()
        self.names = list[str]()
        self.places = list[str]()
        self.ids = list[str | None]()
        self.came = list[tuple[str, ...]]()
        self.queries = list[str | None]()
        self.asked: dict[str, list[int]] = {reason: [] for reason in ASKED}
        self.hidden = set[int]()
        if tables is not None:
            self._add_run(tables)
        self._first = len(self.names)
        for name in self._corrections:
            self.hidden.add(len(self.names))
            self._append(f"inbox/{name}", "", (), name)
        self._first_file = len(self.names)
        self.featured = np.zeros(len(self.names), bool)
        self.broken: dict[int, str] = {}
        self._run: _Pass | None = None
        self._opens = False
        self._store = self._scratch / "none.sqlite"
        self._problem: str | None = None
        self._rows = {name: row for row, name in enumerate(self.names)}
        self._by_id = {name: [row] for row, name in enumerate(self.ids) if name is not None}
        self._changed = list[int]()
        self._next_scan = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="features", daemon=True)
        self.scan()

    def _add_run(self, tables: ReviewTables) -> None:
        queries = tables.first("query")
        places = tables.first("image_url")
        came = tables.labels_that_came()
        self._seen = tables.places()
        manifest = tables.manifest
        for name, path in zip(tables.ids, manifest["path"], strict=True):
            file = f"artifacts/scrape/{path}"
            self._append(file, places.get(name, ""), came.get(name, ()), name, queries.get(name))
        dropped = (manifest["verdict"] != "keep").tolist()
        for row, reason in enumerate(manifest["reason"]):
            if dropped[row] and word(str(reason)) not in _DECIDED:
                self.hidden.add(row)

    def _append(
        self,
        name: str,
        place: str,
        came: tuple[str, ...],
        image: str | None,
        query: str | None = None,
    ) -> None:
        self.places.append(place)
        self.ids.append(image)
        self.came.append(came)
        self.queries.append(query)
        self.names.append(name)
        for reason, prefix in ASKED.items():
            if self.is_named(len(self) - 1, prefix):
                self.asked[reason].append(len(self) - 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread.ident is None:
            return
        self._thread.join(_PAUSE_SECONDS)
        if self._thread.is_alive():
            announce("Finishing the features that have begun …")
            self._thread.join()

    def __len__(self) -> int:
        return len(self.names)

    def begin(self) -> None:
        """Begin to hash files and to compute features, unless that has begun."""
        with self._lock:
            if self._thread.ident is None and not self._stop.is_set():
                self._thread.start()

    def rows_of(self, image: str) -> Sequence[int]:
        """Return the rows of an id."""
        return self._by_id.get(image, ())

    def is_new_file(self, row: int) -> bool:
        """Return whether a row is a file of ``data/`` that no run has seen."""
        return row >= self._first_file

    def is_named(self, row: int, prefix: str) -> bool:
        """Return whether the name of a row's file begins with a text."""
        return self.places[row].rpartition("/")[2].startswith(prefix)

    def correction(self, row: int) -> str | None:
        """Return the id of a new image of the inbox; ``None`` for other rows."""
        return self.ids[row] if self._first <= row < self._first_file else None

    def progress(self) -> dict[str, Any]:
        """Return numbers of images in the grid, ``problem`` (text or ``None``), and ``opens``.

        ``files``: all. ``hashed`` and ``featured``: those whose id and features are known.
        ``broken``: those that cannot have features, and hidden ones that cannot be read.
        ``opens``: whether the network is being opened.
        """
        with self._lock:
            hidden = [*self.hidden]
            shown = len(self) - len(hidden)
            unknown = self.ids.count(None) - sum(self.ids[row] is None for row in hidden)
            featured = int(self.featured.sum()) - int(self.featured[hidden].sum())
            broken = sum(row not in self.hidden or self.ids[row] is None for row in [*self.broken])
            return {
                "files": shown,
                "hashed": shown - unknown,
                "featured": featured,
                "broken": broken,
                "problem": self._problem,
                "opens": self._opens,
            }

    def take_changes(self) -> list[int]:
        """Return the rows that were added, identified or hidden since the last call."""
        with self._lock:
            changed = self._changed
            self._changed = []
            return changed

    def scan(self) -> None:
        """Append the files of ``data/`` that are new, and hide rows whose file is gone."""
        begun = time.monotonic()
        found = self._find_files()
        with self._lock:
            new = [
                name for name in found if name not in self._rows and (self.root / name).is_file()
            ]
            gone = [
                row
                for row in range(self._first_file, len(self))
                if self.names[row] not in found and row not in self.hidden
            ]
            for name in new:
                self._rows[name] = len(self)
                self._changed.append(len(self))
                self._append(name, name, found[name], None)
            self.featured = np.append(self.featured, np.zeros(len(new), bool))
            for row in gone:
                self._rows.pop(self.names[row])  # a later file of that name is another row
                if (image := self.ids[row]) is not None:
                    self._by_id[image].remove(row)
                self._hide(row)
        now = time.monotonic()
        self._next_scan = now + max(_SCAN_SECONDS, 20 * (now - begun))

    def identify(self, rows: Sequence[int]) -> list[str | None]:
        """Return the ids of rows; those of unchanged files are cached.

        ``None`` for missing files, and for those that cannot be read, which are hidden.
        """
        keys = self._file_keys([row for row in rows if row >= self._first_file])
        digests: dict[int, bytes] = {}
        with Cache(self._scratch.with_name(_FILES)) as cache:
            known = cache.read([*keys.values()])
            new = {}
            for row, key in keys.items():
                try:
                    digests[row] = new[key] = known.get(key) or _digest(self.root, self.names[row])
                except FileNotFoundError:  # moved meanwhile, or deleted
                    continue
                except (OSError, RuntimeError):  # RuntimeError: a loop of links
                    self.broken[row] = "unreadable"
                    self._hide(row)
            cache.write({key: value for key, value in new.items() if key not in known})
        with self._lock:
            for row, value in digests.items():
                self._set_id(row, value[:32].hex())
        return [self.ids[row] if row < self._first_file or row in digests else None for row in rows]

    def _file_keys(self, rows: Sequence[int]) -> dict[int, bytes]:
        """Return the keys of files in the cache, without those of missing ones."""
        keys: dict[int, bytes] = {}
        for row in rows:
            with contextlib.suppress(OSError):
                keys[row] = _key(self.root, self.names[row])
        return keys

    def features(self, rows: Sequence[int]) -> Half:
        """Return the features of rows as an array of shape (n, width).

        Those without features are NaN; the width is 1 if none has any.
        """
        keys = self._keys([row for row in rows if self.featured[row]])
        with Cache(self._store) as store:
            stored = store.read([*keys.values()])
        width = len(next(iter(stored.values()), b"..")) // 2
        every = np.full((len(rows), width), np.nan, np.float16)
        for place, row in enumerate(rows):
            if keys.get(row) in stored:
                every[place] = np.frombuffer(stored[keys[row]], "<f2")
        return every

    def image(self, row: int, side: int) -> ImageFile:
        """Return the location of an image, for previews; it is hashed now unless its id is known.

        Raises:
            DataError: The file is missing or cannot be read.
        """
        name = self.ids[row] or self.identify([row])[0]
        if name is None:
            raise DataError(
                f"{self.names[row]} is missing or cannot be read", next="load the page again"
            )
        source = self._corrections[name]() if self.correction(row) else self.root / self.names[row]
        window = read_window(self.root / "artifacts/validate")
        return ImageFile(name, source, self._params.validate.max_pixels, window, side)

    def _find_files(self) -> dict[str, tuple[str, ...]]:
        """Return the labels of the files in ``data/`` that no run has seen, by name.

        It takes half a second for 100,000 files.
        """
        found: dict[str, tuple[str, ...]] = {}
        params = self._params.scrape
        data = self.root / "data"
        if "folder" in self._params.sources() and data.is_dir():
            source = FOLDERS[self._params.task](
                data, layout=params.folder.layout, classes=self._params.class_by_name
            )
            texts = source.texts(self._params.classes)
            found = {f"data/{name}": came for name, came in texts.items()}
        for name in _names_below(self.root, self._folder):
            found.setdefault(name, ())
        return {name: came for name, came in found.items() if name not in self._seen}

    def _hide(self, row: int) -> None:
        with self._lock:
            self.hidden.add(row)
            self._changed.append(row)

    def _set_id(self, row: int, image: str) -> None:
        """Set the id of a row, and hide one of two rows with the same bytes.

        That is a file that a run knows, else the one without a label.
        """
        if self.ids[row] == image:
            return
        if (old := self.ids[row]) is not None:  # the file has changed
            self._by_id[old].remove(row)
            self.featured[row] = False
        self.ids[row] = image
        self._changed.append(row)
        same = self._by_id.setdefault(image, [])
        if same and (same[0] < self._first_file or not self.came[row]):
            self._hide(row)
        else:
            for each in same:
                if not self.came[each]:
                    self._hide(each)
        same.append(row)

    def _work(self) -> None:
        """Look for files, hash them and compute features until the block ends."""
        while not self._stop.is_set():
            if time.monotonic() > self._next_scan:
                with contextlib.suppress(PixmillError, OSError):  # `data/` is edited just now
                    self.scan()
            self._hash()
            if self._problem is None:
                try:
                    self._compute()
                except (PixmillError, OSError, ImportError, ValueError) as error:
                    self._problem = str(error)
            self._stop.wait(_PAUSE_SECONDS)

    def _hash(self) -> None:
        rows = [
            row
            for row, name in enumerate(self.ids[self._first_file :], self._first_file)
            if name is None and row not in self.hidden
        ]
        for start in range(0, len(rows), _HASHED):
            if not self._stop.is_set():
                self.identify(rows[start : start + _HASHED])

    def _compute(self) -> None:
        """Compute the features of all rows that lack them."""
        waiting = self._waiting()
        if not waiting or self._stop.is_set():
            return
        self._opens = True
        try:
            run = self._open_network()
        finally:
            self._opens = False
        with Cache(self._store) as store:
            for start in range(0, len(waiting), _CHUNK):
                keys = self._keys(waiting[start : start + _CHUNK])
                stored = store.read([*keys.values()])
                self._mark_featured(row for row, key in keys.items() if key in stored)
            waiting = self._waiting()
            order = sample_of([str(self.ids[row]) for row in waiting], len(waiting))
            for done in self._extract(run, [waiting[place] for place in order]):
                keys = self._keys([*done])
                store.write({keys[row]: values for row, values in done.items()})
                self._mark_featured(done)

    def _waiting(self) -> list[int]:
        """Return the rows that lack features and could have some."""
        without = self.hidden | self.broken.keys()
        lacking = np.flatnonzero(~self.featured).tolist()
        return [row for row in lacking if self.ids[row] and row not in without]

    def _keys(self, rows: Sequence[int]) -> dict[int, bytes]:
        """Return the keys of rows in the store of features."""
        return {row: bytes.fromhex(str(self.ids[row])) for row in rows}

    def _mark_featured(self, rows: Iterable[int]) -> None:
        with self._lock:  # `scan` replaces the array
            self.featured[[*rows]] = True

    def _open_network(self) -> _Pass:
        """Return the pass with the backbone of the params.

        Of several, that is the fastest: that of the smallest images.
        """
        if self._run is None:
            # Imports TensorFlow, which takes seconds, unless the backbone is converted already.
            from pixmill.models.layers import origin_of
            from pixmill.models.litert_export import convert_backbone

            params = self._params
            split = params.split
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
        params = self._params.validate
        done = dict[int, bytes]()
        due = time.monotonic()
        results = map_batches(
            run,
            (self.names[row] for row in rows),
            workers=max(1, default_workers() - (len(rows) > _FEW)),
            limits=RowLimits(params.timeout, params.memory << 20),
            lost=lambda _name, loss: loss,
            local=True,
        )
        for row, result in zip(rows, results, strict=True):
            if self._stop.is_set():
                return
            if isinstance(result, bytes):
                done[row] = result
            else:
                self.broken[row] = result
            if len(done) >= _CHUNK or time.monotonic() > due:
                yield done
                done = {}
                due = time.monotonic() + _CHUNK_SECONDS
        yield done


def _names_below(root: Path, folder: str) -> Iterator[str]:
    """Yield the files below a folder of the project, relative to the project folder."""
    start = len(str(root)) + 1
    for _, path in files_below(root / folder) if (root / folder).is_dir() else ():
        yield str(path)[start:].replace(os.sep, "/")


def _key(root: Path, name: str) -> bytes:
    """Return the key of a file in the cache, which changes with its size and time."""
    state = (root / name).stat()
    return f"{name}\0{state.st_size}\0{state.st_mtime_ns}".encode("utf-8", "surrogateescape")


def _digest(root: Path, name: str) -> bytes:
    path = root / name
    if path.is_symlink() and target_within(path, root / "data") is None:
        raise PermissionError("a link out of data/, which scrape does not read, either")
    return hashlib.sha256(path.read_bytes()).digest()
