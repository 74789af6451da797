"""Lists of addresses: which kind a file is, people's own tables, and lists with one address a line.

A reader yields tables of many rows each, with the columns ``label`` (missing where a row has none) and some of
:data:`COLUMNS`.
"""

from __future__ import annotations

import base64
import itertools
import re
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pixmill.core.errors import DataError

COLUMNS = ("image_url", "thumbnail_url", "page_url", "title", "licence", "author", "bytes", "md5", "given_split")
"""What a list may say of an address: fields of a :class:`~pixmill.scrape.candidate.Candidate`."""

ListKind = Literal["addresses", "images", "labels", "names", "synset_addresses", "synset_names", "table", "tsv"]
"""What a file is: of Open Images ``images``, ``labels`` or ``names``; of ImageNet ``synset_addresses`` (with the synset
in each line) or ``synset_names``; ``addresses`` that are named by their file alone; a ``table``; or a ``tsv`` of the
Storage Transfer Service, whose first line is ``TsvHttpData-1.0``."""

_KINDS: dict[str, set[ListKind]] = {
    "imagenet": {"addresses", "synset_addresses", "synset_names"},
    "open_images": {"images", "labels", "names"},
    "table": {"table"},
    "tsv": {"tsv"},
}
_SIGNS: dict[ListKind, str] = {
    "tsv": r"TsvHttpData-1\.0$",
    "images": r"(?=.*\bImageID\b).*\bOriginalURL\b",
    "labels": r"(?=.*\bImageID\b)(?=.*\bLabelName\b).*\bConfidence\b",
    "names": r"/[mgt]/\w+,|LabelName,DisplayName$",
    "synset_addresses": r"n\d{8}_\d+\s+\S",
    "synset_names": r"n\d{8}\s+\S",
    "addresses": r"https?://\S+$",
    "table": r"""(.*[,\t])?\s*"?url"?\s*([,\t]|$)""",
}
"""How the first line of each kind begins; the first that fits counts."""

_SHOWN = 80
_ROWS = 50_000
_TSV = "TsvHttpData-1.0"


def kind_of(path: Path, format: str = "auto") -> ListKind:  # noqa: A002 (the word of params)
    """Return the kind of a list, by its first line.

    Args:
        path: The file.
        format: What it must be: ``imagenet``, ``open_images``, ``table`` or ``tsv``.

    Raises:
        DataError: It is missing or empty, or neither what it must be nor anything that is known.
    """
    line = "url" if path.suffix == ".parquet" and path.is_file() else _first_line(path)
    kind = next((kind for kind, sign in _SIGNS.items() if re.match(sign, line, re.IGNORECASE)), None)
    if kind is None or (format != "auto" and kind not in _KINDS[format]):
        expected = "a known list of URLs" if format == "auto" else f"a list in the format '{format}'"
        raise DataError(
            f"{path} is not {expected}: it begins with {line[:_SHOWN]!r}",
            next="add a header line with the columns url and label, or fix scrape.urls in params.yaml",
        )
    return kind


def _first_line(path: Path) -> str:
    """Return the first line of a file that is not blank."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as stream:
            for line in stream:
                if text := line.strip():
                    return text
    except OSError as error:
        raise DataError(
            f"{path} of scrape.urls.files cannot be read: {error.strerror}",
            next="put it there, or fix scrape.urls.files in params.yaml",
        ) from error
    raise DataError(f"{path} is empty", next="put the list there, or fix scrape.urls.files in params.yaml")


def _read_table(path: Path) -> Iterator[pd.DataFrame]:
    r"""Yield the rows of a table of a person's own.

    Args:
        path: A CSV file (with tabs, where its first line has any) or a Parquet file. Its columns: ``url`` and
            ``label``, and those of ``page_url, title, licence, author, bytes, md5, split`` that it has.

    Raises:
        DataError: A column is missing, or a row is not what it must be.

    Examples:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "shop.csv"
        ...     _ = path.write_text("label,url,licence\nhat,https://shop.test/1.jpg,CC0\n")
        ...     [rows] = ROWS[kind_of(path)](path)
        >>> rows.to_dict("records")
        [{'label': 'hat', 'image_url': 'https://shop.test/1.jpg', 'licence': 'CC0'}]
    """
    for rows in _read_parquet(path) if path.suffix == ".parquet" else read_csv(path):
        names = [str(name) for name in rows.columns]
        rows.columns = pd.Index([_FIELDS.get(name.strip().lower()) for name in names])
        rows = rows.loc[:, rows.columns.notna() & ~rows.columns.duplicated(keep="last")]
        for field, name, content in (("image_url", "url", "addresses"), ("label", "label", "labels")):
            if field not in rows.columns:
                raise DataError(
                    f"{path} has no column '{name}', only {', '.join(names)}",
                    next=f"rename the column with the {content} to '{name}'",
                )
        yield tidy(rows, path)


def tidy(rows: pd.DataFrame, path: Path | None = None) -> pd.DataFrame:
    """Return rows with each cell as a text without white space around it, ``None`` where nothing is left.

    Args:
        rows: With the columns of :data:`COLUMNS`, or others.
        path: The file that must have sizes, MD5s and splits as they are agreed on; default: what is none is left out.

    Raises:
        DataError: A cell is not what it must be.
    """
    rows = rows.astype(object).map(_text)
    for name, (parse, expected) in _PARSERS.items():
        if name in rows:
            parsed = rows[name].map(parse, na_action="ignore")
            wrong = rows[name][rows[name].notna() & parsed.isna()]
            if path is not None and len(wrong):
                raise DataError(
                    f"{path}, row {wrong.index[0] + 1}: {name.removeprefix('given_')}: expected {expected}, received "
                    f"{wrong.iloc[0]!r}",
                    next="fix that row",
                )
            rows[name] = parsed
    return rows


def read_csv(path: Path, columns: Sequence[str] | None = None, *, needed: int = 0) -> Iterator[pd.DataFrame]:
    """Yield the rows of a CSV file, each cell as the text that stands there.

    Args:
        path: The file; its cells are parted by tabs, where its first line has any.
        columns: Those to read, as far as it has them; default: all.
        needed: How many of them, from the first, it must have.

    Raises:
        DataError: It is no such file.
    """
    try:
        with pd.read_csv(
            path,
            sep="\t" if "\t" in _first_line(path) else ",",
            usecols=None if columns is None else lambda name: name in columns,
            dtype=str,
            keep_default_na=False,
            chunksize=_ROWS,
            encoding="utf-8-sig",
            encoding_errors="replace",
        ) as reader:
            for rows in reader:
                if not isinstance(rows.index, pd.RangeIndex):
                    raise ValueError("its first row has more fields than there are columns")
                if missing := [name for name in (columns or ())[:needed] if name not in rows]:
                    raise ValueError(f"it has no column '{missing[0]}'")
                yield rows
    except ValueError as error:  # pandas' own errors are of this kind
        raise DataError(f"{path} cannot be read as a table: {error}", next="fix it, or download it again") from None


def _read_parquet(path: Path) -> Iterator[pd.DataFrame]:
    try:
        with pq.ParquetFile(path) as file:
            start = 0
            names = [name for name in file.schema_arrow.names if name.strip().lower() in _FIELDS]
            # Without these the message names what there is.
            complete = {"image_url", "label"} <= {_FIELDS[name.strip().lower()] for name in names}
            for batch in file.iter_batches(_ROWS, columns=names if complete else None):
                rows = pd.DataFrame(batch.to_pydict(), dtype=object)
                rows.index = pd.RangeIndex(start, start := start + len(rows))
                yield rows
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}", next="write it again") from error


def _text(value: Any) -> str | None:
    if value is None or value != value:
        return None
    # Parquet's nullable numbers come as floats.
    return (f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value)).strip() or None


def hexadecimal_md5(text: str) -> str | None:
    """Return an MD5 in small hexadecimal digits, or ``None`` where the text is none.

    Args:
        text: 32 hexadecimal digits, or the 16 bytes in base64, as Open Images has them.
    """
    try:
        digest = bytes.fromhex(text) if len(text) == 32 else base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return digest.hex() if len(digest) == 16 else None


_FIELDS = {
    **{name: name for name in ("label", "page_url", "title", "licence", "author", "bytes", "md5")},
    "url": "image_url",
    "split": "given_split",
    "license": "licence",
}
"""The columns of people's own tables; others are left out."""

_SPLITS = {"train": "train", "val": "val", "validation": "val", "test": "test"}
_PARSERS: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "bytes": (lambda text: text if re.fullmatch("[0-9]{1,18}", text) else None, "a whole number"),
    "md5": (hexadecimal_md5, "32 hexadecimal digits"),
    "given_split": (lambda text: _SPLITS.get(text.lower()), "one of train, val, test"),
}


def _read_addresses(path: Path) -> Iterator[pd.DataFrame]:
    """Yield the addresses of a list that is named after what they show, such as ``n02084071.txt``."""
    for lines in _lines(path):
        yield pd.DataFrame({"image_url": lines.map(_url), "label": path.stem})


def _read_tsv(path: Path) -> Iterator[pd.DataFrame]:
    """Yield the rows of a ``TsvHttpData-1.0``, with sizes and MD5s in base64, that is named after what it shows."""
    for lines in _lines(path):
        cells = lines[lines != _TSV].str.split("\t", expand=True).reindex(columns=range(3))
        cells.columns = pd.Index(["image_url", "bytes", "md5"])
        yield tidy(cells.assign(image_url=cells["image_url"].map(_url), label=path.stem))


def _read_synset_addresses(path: Path) -> Iterator[pd.DataFrame]:
    """Yield the rows of a list such as ``fall11_urls.txt``, with ``<synset>_<number>`` before each address."""
    for lines in _lines(path):
        rows = lines.str.extract(r"^(?P<title>(?P<label>n\d{8})_\d+)[ \t]+(?P<image_url>.+)")
        yield rows.assign(image_url=rows["image_url"].map(_url, na_action="ignore"))


def read_synset_names(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each name of a synset, in small letters, with the synset (``LOC_synset_mapping.txt``, ``words.txt``)."""
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        for line in stream:
            synset, _, names = line.strip().replace("\t", " ").partition(" ")
            for name in names.split(","):
                yield name.strip().casefold(), synset


def _lines(path: Path) -> Iterator[pd.Series[str]]:
    """Yield the lines that are not blank; a character stands for a byte, as these lists are in no one encoding."""
    with path.open(encoding="latin-1") as stream:
        while batch := list(itertools.islice(stream, _ROWS)):
            lines = [line.removeprefix("\xef\xbb\xbf").strip(" \t\r\n") for line in batch]
            yield pd.Series([line for line in lines if line], dtype=str)


def _url(line: str) -> str:
    """Return an address as it can be asked for.

    The servers that once gave these addresses out expect the very bytes, which is what percent signs stand for
    (RFC 3986, section 2.5).
    """
    return quote(line, safe=string.punctuation, encoding="latin-1")


ROWS: Mapping[ListKind, Callable[[Path], Iterator[pd.DataFrame]]] = {
    "addresses": _read_addresses,
    "synset_addresses": _read_synset_addresses,
    "table": _read_table,
    "tsv": _read_tsv,
}
"""What reads the addresses of a list, by its kind; Open Images' are in two lists."""
