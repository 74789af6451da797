"""The source ``urls``: local lists of URLs, including those of Open Images and ImageNet.

Open Images (storage.googleapis.com/openimages/web/download_v7.html) has separate tables of URLs and
of labels.
"""

import base64
import itertools
import re
import string
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pixmill.core.errors import DataError
from pixmill.core.names import to_nfc
from pixmill.core.params import UrlsParams
from pixmill.core.words import count
from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.sources.source import Access, Kind, SearchError, Source

_FIELDS = {
    **{name: name for name in ("label", "page_url", "title", "licence", "author", "bytes", "md5")},
    "url": "image_url",
    "split": "given_split",
    "license": "licence",
    # Open Images:
    "imageid": "image_id",
    "originalurl": "image_url",
    "thumbnail300kurl": "thumbnail_url",
    "originallandingurl": "page_url",
    "originalsize": "bytes",
    "originalmd5": "md5",
}
"""Columns of a list; others are ignored."""

_NAMES = [name for name in dict.fromkeys(_FIELDS.values()) if name != "image_id"]
_ENTRIES = pa.schema([(name, pa.int64() if name == "bytes" else pa.string()) for name in _NAMES])

_IMAGENET = re.compile(r"(?P<title>(?P<label>n\d{8})_\d+)[ \t]+(?P<image_url>\S.*)")
"""A line of ``fall11_urls.txt``: the name of an image, which starts with its synset, and a URL."""

_SPLITS = {"train": "train", "val": "val", "validation": "val", "test": "test"}
_PARSERS: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "bytes": (
        lambda text: int(text) if re.fullmatch("[0-9]{1,18}", text) else None,
        "a whole number",
    ),
    "md5": (lambda text: _hexadecimal_md5(text), "32 hexadecimal digits"),
    "given_split": (lambda text: _SPLITS.get(text.lower()), "one of train, val, test"),
}

_CHUNK_ROWS = 50_000

_MAX_NAMED = 10
"""Unused labels named in a message."""


class UrlsSource(Source):
    """Yield the URLs of each class.

    The first search reads all lists. Rows with other labels are ignored.

    Args:
        params: Paths of the lists, and the labels of each class in them; default: the name of the
            class.
        classes: Classes.
        root: Folder of relative paths.

    Raises:
        DataError: No list is configured, or one is missing.
    """

    name = "urls"
    kind: Kind = "list"

    def __init__(self, params: UrlsParams, classes: Sequence[str], *, root: Path) -> None:
        if not params.files:
            raise DataError(
                "scrape.urls.files is empty; the source 'urls' reads its URLs from there",
                next="add a CSV file with the columns url and label to it",
            )
        self._paths = [root / path for path in params.files]
        for path in self._paths:
            if not path.is_file():
                raise DataError(
                    f"{path} of scrape.urls.files is missing",
                    next="put it there, or fix scrape.urls.files in params.yaml",
                )
        self._labels = params.classes
        self._classes: dict[str, list[str]] = defaultdict(list)
        for name in classes:
            for label in dict.fromkeys(map(to_nfc, self._labels.get(name, (name,)))):
                self._classes[label].append(name)
        self._lock = threading.Lock()
        self._others: set[str] = set()
        self._unlabelled: dict[Path, int] = defaultdict(int)

    def remarks(self) -> list[str]:
        """Return a sentence for each list with unlabelled rows; complete after the first search."""
        return [
            f"{path.name} has {count(rows, 'row')} without a label, ignored"
            for path, rows in self._unlabelled.items()
            if rows
        ]

    def queries(self, label: str, texts: Sequence[str]) -> list[Query]:  # noqa: ARG002 (lists are looked up by class)
        """Return one query for the class."""
        first, *others = (path.name for path in self._paths)  # reports contain no local paths
        return [Query(label, None, first if not others else f"{first} and {len(others)} more")]

    def search(self, query: Query, access: Access) -> Iterator[Candidate]:  # noqa: ARG002 (the lists lie here)
        """Yield the URLs of a class, in the order of the lists.

        Raises:
            DataError: A list is invalid.
            SearchError: No list has a URL for the class.
        """
        with self._lock:
            entries = self._entries
        rank = 0
        for batch in entries.filter(pc.field("label") == query.label).to_batches(
            max_chunksize=_CHUNK_ROWS
        ):
            for values in batch.drop_columns(["label"]).to_pylist():
                yield Candidate(query.label, query.text, rank, **values)
                rank += 1
        if rank == 0:
            labels = "', '".join(self._labels.get(query.label, (query.label,)))
            others = f"; it has {', '.join(sorted(self._others))}" if self._others else ""
            raise SearchError(
                "no_results",
                f"{query.address} has no URL with the label '{labels}'{others}; set "
                "scrape.urls.classes to the "
                f"label of the class '{query.label}' in the lists",
            )

    @cached_property
    def _entries(self) -> pa.Table:
        """The entries of all classes, in the order of the lists; ``label`` is the class."""
        members = self._members([path for path in self._paths if _is_label_list(path)])
        tables = [_ENTRIES.empty_table()]
        for path in self._paths:
            for rows in () if _is_label_list(path) else _read(path):
                if "label" in rows:
                    taken = self._of_classes(path, rows)
                elif members is not None and "image_id" in rows:
                    taken = rows.merge(members, on="image_id")
                else:
                    raise DataError(
                        f"{path} has no column 'label'", next="add one, or the list with the labels"
                    )
                cells = taken.reindex(columns=_NAMES)
                tables.append(pa.Table.from_pandas(cells, _ENTRIES, preserve_index=False))
        return pa.concat_tables(tables)

    def _members(self, paths: Sequence[Path]) -> pd.DataFrame | None:
        """Return the image ids and classes of Open Images, or ``None`` without a list of labels.

        Labels need confidence 1. A label that people verified as absent (confidence 0) is excluded.
        """
        if not paths:
            return None
        chunks = [
            rows[rows["LabelName"].isin(self._classes)]
            for path in paths
            for rows in _read_csv(path)
        ]
        rows = pd.concat(chunks)
        pairs = pd.MultiIndex.from_frame(
            rows[["ImageID", "LabelName"]], names=["image_id", "label"]
        )
        confidence = pd.to_numeric(rows["Confidence"])
        absent = pairs[(confidence == 0) & (rows["Source"] != "machine")]
        found = pairs[confidence == 1].difference(absent).to_frame(index=False)
        return (
            found.assign(label=found["label"].map(self._classes.get))
            .explode("label")
            .drop_duplicates()
        )

    def _of_classes(self, path: Path, rows: pd.DataFrame) -> pd.DataFrame:
        labels = rows["label"].map(to_nfc, na_action="ignore")
        self._unlabelled[path] += int(labels.isna().sum())
        others = set(labels.dropna().unique()) - set(self._classes)
        self._others |= set(sorted(others)[: _MAX_NAMED - len(self._others)])
        return (
            rows.assign(label=labels.map(self._classes.get)).dropna(subset="label").explode("label")
        )


def _is_label_list(path: Path) -> bool:
    names = set() if path.suffix == ".parquet" else set(_first_line(path).strip().split(","))
    return names >= {"ImageID", "LabelName", "Confidence", "Source"}


def _first_line(path: Path) -> str:
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        return stream.readline()


def _read(path: Path) -> Iterator[pd.DataFrame]:
    """Yield the rows of a list in chunks, with stripped strings or missing values as cells.

    Args:
        path: A CSV or TSV file or a Parquet file with columns of ``_FIELDS``, or a list of
            ImageNet.

    Raises:
        DataError: A column is missing, or a row is invalid.
    """
    if path.suffix == ".parquet":
        tables = _read_parquet(path)
    else:
        tables = _read_imagenet(path) if _IMAGENET.match(_first_line(path)) else _read_csv(path)
    for rows in tables:
        names = [str(name) for name in rows.columns]
        rows.columns = pd.Index([_FIELDS.get(name.strip().lower()) for name in names])
        rows = rows.loc[:, rows.columns.notna() & ~rows.columns.duplicated(keep="last")]
        if "image_url" not in rows.columns:
            raise DataError(
                f"{path} has no column 'url', only {', '.join(names)}", next="name a column 'url'"
            )
        yield _parse(rows.astype(object).map(_text), path)


def _parse(rows: pd.DataFrame, path: Path) -> pd.DataFrame:
    for name, (parse, expected) in _PARSERS.items():
        if name in rows:
            parsed = rows[name].map(parse, na_action="ignore").astype(object)
            wrong = rows[name][rows[name].notna() & parsed.isna()]
            if len(wrong):
                raise DataError(
                    f"{path}, row {wrong.index[0] + 1}: {name.removeprefix('given_')}: expected "
                    f"{expected}, received "
                    f"{wrong.iloc[0]!r}",
                    next="fix that row",
                )
            rows[name] = parsed
    return rows


def _read_csv(path: Path) -> Iterator[pd.DataFrame]:
    try:
        with pd.read_csv(
            path,
            sep="\t" if "\t" in _first_line(path) else ",",
            dtype=str,
            keep_default_na=False,
            chunksize=_CHUNK_ROWS,
            encoding="utf-8-sig",
            encoding_errors="replace",
        ) as reader:
            for rows in reader:
                if not isinstance(rows.index, pd.RangeIndex):
                    raise ValueError("its first row has more fields than there are columns")
                yield rows
    except (OSError, ValueError) as error:  # pandas' errors are ValueErrors
        raise DataError(
            f"{path} cannot be read as a table: {error}", next="fix it, or download it again"
        ) from None


def _read_imagenet(path: Path) -> Iterator[pd.DataFrame]:
    with path.open(encoding="latin-1") as stream:
        while lines := list(itertools.islice(stream, _CHUNK_ROWS)):
            rows = pd.DataFrame(
                [match.groupdict() for line in lines if (match := _IMAGENET.match(line))]
            )
            # Percent-encode the original Latin-1 bytes, which the servers expect (RFC 3986, section
            # 2.5).
            yield rows.assign(
                url=[
                    quote(url.strip(), safe=string.punctuation, encoding="latin-1")
                    for url in rows.pop("image_url")
                ]
            )


def _read_parquet(path: Path) -> Iterator[pd.DataFrame]:
    try:
        with pq.ParquetFile(path) as file:
            start = 0
            for batch in file.iter_batches(_CHUNK_ROWS):
                rows = pd.DataFrame(batch.to_pydict(), dtype=object)
                rows.index = pd.RangeIndex(start, start := start + len(rows))
                yield rows
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{path} cannot be read as Parquet: {error}", next="write it again"
        ) from error


def _hexadecimal_md5(text: str) -> str | None:
    """Return an MD5 in lower-case hexadecimal, converted from base64 if needed (Open Images)."""
    try:
        digest = bytes.fromhex(text) if len(text) == 32 else base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return digest.hex() if len(digest) == 16 else None


def _text(value: Any) -> str | None:
    if value is None or value != value:
        return None
    # Nullable integers of Parquet become floats.
    return (
        f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value)
    ).strip() or None
