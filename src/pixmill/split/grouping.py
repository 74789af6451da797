"""Groups (such as one clip), clusters (with near-duplicates), and the hash behind a split."""

import hashlib
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.errors import DataError
from pixmill.core.manifest import SIGHTINGS, corrections, read_table
from pixmill.core.metadata import FILE, read_metadata
from pixmill.core.names import to_nfc
from pixmill.core.params.sections import TABLE_COLUMN
from pixmill.core.words import count, first_of
from pixmill.images.parts import PARTS

Texts = npt.NDArray[np.object_]
Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

_NUMBERED = re.compile(r"(?<=[^\W_])(?:[ _-]\d{1,2}| ?\(\d{1,2}\))$")
"""Number of an image of one product: ``_1``, ``-02`` or `` (3)``; longer numbers come from cameras.
"""

_SCRIPT = re.compile(r"\.(?:aspx?|cfm|cgi|do|jsp|php\d?|pl)$", re.IGNORECASE)
"""Path of a script, for which the query identifies the product."""

_FOLDER = "(.+)/"
"""Pattern of the folder of a file."""

_GIVEN = f"data/{FILE}:group"
"""The groups of ``data/metadata.csv``; an image whose cell is empty is its own group."""

_MAX_NAMED = 3
"""Files without a group that a message names."""

_REFERRAL = re.compile(r"/ref=.*$")
"""Referral part of URLs of Amazon."""

Pairs = tuple[Rows, Rows]
"""Rows of the first and of the second image of each pair of near-duplicates."""

Sides = npt.NDArray[np.int8]
"""Split of each image as an index into :data:`.PARTS`, which is sorted by rank."""

TRAIN, VAL, TEST = (PARTS.index(part) for part in PARTS)


def group_names(table: pd.DataFrame, by: str, root: Path | None = None) -> pd.Series:
    """Return the group name of each image, null if it has no group.

    The name depends only on the row of the image, so other images cannot change it.

    Args:
        table: A manifest with ``source``, ``page_url`` and ``image_url`` of the first sighting of
            each image, and ``verdict``.
        by: ``page``: images of one page. ``product``: images of one product page, or files in a
            folder whose names differ only in a number at the end. ``data/metadata.csv:group``:
            files with equal text in that column. Otherwise each kept image must have a group,
            unless it is a correction by users: ``folder``: files in one folder.
            ``<table>.csv:<column>``: files with equal text in the column. Groups that tables give
            to files with the same bytes are one. A regular expression: files with equal text in its
            groups, searched in ``image_url`` without extension.
        root: Project folder, with the table and the sightings of scrape; default: the current
            folder.

    Raises:
        DataError: Kept images have no group, or the table or its column is missing.
    """
    if by not in ("page", "product"):
        return _file_groups(table, by, root or Path())
    urls = table["page_url"].astype(object).where(table["page_url"].notna(), None)
    if by == "page":
        return urls.map(page_of, na_action="ignore")
    files = (
        table["image_url"]
        .where((table["source"] == "folder") & table["image_url"].notna())
        .astype(object)
    )
    found = urls.map(product_of, na_action="ignore").fillna(
        files.map(_file_product, na_action="ignore")
    )
    return found.where(found.notna(), None)


def _file_groups(table: pd.DataFrame, by: str, root: Path) -> pd.Series:
    """Return the group name of each image by its file's address, or by a table.

    Raises:
        DataError: Kept images have no group, or the table or its column is missing.
    """
    files = table["image_url"].fillna(table["path"]).astype(object)
    if by == _GIVEN:
        given = {
            f"data/{name}": facts.group for name, facts in read_metadata(root / "data").items()
        }
        if not any(given.values()):
            raise DataError(
                f"{by} has no groups",
                next="fill the column, or set split.group_by to null in params.yaml",
            )
        names = _join(table["id"], files, lambda file: given.get(to_nfc(file)) or "", root)
        return ("group " + names).where(names != "", None)
    if TABLE_COLUMN in by:
        groups = _read_groups(root, by)
        advice = "add them to the table, with one group each"
        names = _join(
            table["id"],
            files,
            lambda file: next(filter(None, map(groups.get, _tails(file))), ""),
            root,
        )
    else:
        found = files.map(lambda file: re.search(_FOLDER if by == "folder" else by, _stem(file)))
        names = found.map(lambda match: "/".join(filter(None, match.groups())) if match else "")
        advice = (
            f"let split.group_by match them, too, such as with {by}|([^/]+)$ if each of them "
            "is a group"
        )
    lost = files[(names == "") & (table["verdict"] == "keep") & ~corrections(table)].sort_values()
    if len(lost):
        problem = (
            f"split.group_by ({by}) finds no group for {len(lost):,} of "
            f"{count(len(files), 'image')}"
        )
        raise DataError(f"{problem}, such as {first_of([*lost], _MAX_NAMED)}", next=advice)
    return ("group " + names).where(names != "", None)


def _join(
    ids: pd.Series, files: pd.Series, group_of: Callable[[str], str], root: Path
) -> pd.Series:
    """Return the group of each image, empty for none; groups with a common file are joined."""
    seen = pd.DataFrame({"id": ids, "image_url": files})
    path = root / "artifacts/scrape/sightings.parquet"
    if path.exists():
        others = read_table(path, SIGHTINGS, stage="scrape", columns=["id", "image_url"]).dropna()
        seen = pd.concat([seen, others[others["id"].isin(ids)]])
    named = seen.assign(name=seen["image_url"].map(group_of)).query("name != ''")
    joined = clusters(named["name"].to_numpy(object), named["id"].to_numpy(object))
    return ids.map(dict(zip(named["id"], joined, strict=True))).astype(object).fillna("")


def _read_groups(root: Path, by: str) -> dict[str, str]:
    """Return the group of each file of a table, by its path and each end of it with a single group.

    The column ``file_name``, or else the first one, has the files.
    """
    name, _, column = by.rpartition(":")
    try:
        table = pd.read_csv(root / name, dtype=str, encoding="utf-8-sig").dropna(how="all")
    except (OSError, ValueError) as error:
        raise DataError(
            f"{name} cannot be read: {error}", next="correct split.group_by in params.yaml"
        ) from None
    if column not in table:
        has = first_of([*table.columns])
        raise DataError(
            f"{name} has no column {column!r}, but {has}",
            next="correct split.group_by in params.yaml",
        )
    groups: dict[str, set[str]] = {}
    for file, group in (
        table[["file_name" if "file_name" in table else table.columns[0], column]]
        .dropna()
        .to_numpy()
    ):
        for tail in _tails(file):
            groups.setdefault(tail, set()).add(group)
    return {tail: found.pop() for tail, found in groups.items() if len(found) == 1}


def _tails(file: str) -> list[str]:
    """Return a path and its ends, also without extension (``cat/1.jpg``: also ``1.jpg``, ``1``)."""
    parts = [path.split("/") for path in (file, _stem(file))]
    return ["/".join(names[first:]) for names in parts for first in range(len(names))]


def _stem(file: str) -> str:
    return re.sub(r"(?<=[^/])\.\w+$", "", file)


def page_of(url: str) -> str:
    """Return the group name of a page: its URL without the fragment."""
    return f"page {url.partition('#')[0]}"


def product_of(url: str) -> str:
    """Return the group name of a product: its URL without query, fragment and referral parts.

    The query is kept if the path does not identify a product (a script, or empty).

    Args:
        url: URL of the page, untrusted.
    """
    try:
        scheme, host, path, query, _ = urlsplit(url)
    except ValueError:
        return f"product {url}"
    path = _REFERRAL.sub("", path).rstrip("/")
    kept = query if not path or _SCRIPT.search(path) else ""
    return f"product {urlunsplit((scheme.lower(), host.lower(), path, kept, ''))}"


def _file_product(address: str) -> str:
    """Return the group name of ``data/<class>/<file>`` or ``data/<split>/<class>/<file>``."""
    *_, label, name = ["", *address.split("/")]
    stem = name.rpartition(".")[0] or name
    return f"product {label}/{_NUMBERED.sub('', stem)}"


def clusters(groups: Texts, *names: Texts, pairs: Pairs | None = None) -> Texts:
    """Return the cluster of each image, named by its first group of near-duplicates.

    Clusters are the connected components of images that share a group of near-duplicates or a name,
    or are a pair. Groups alone do not suffice: if A is a near-duplicate of B, and B of C, but not A
    of C, B is in one group with A or C only (see :func:`pixmill.images.likeness.groups.groups`).

    Args:
        groups: Group of near-duplicates of each image.
        names: Arrays of further names, such as group names, null if an image has none.
        pairs: Pairs of near-duplicates; default: none.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    group_of, known = pd.factorize(groups, sort=True)
    # Nodes are groups and names; an image with a group and a name is an edge, and so is a pair of
    # images.
    count = len(known)
    ends = []
    if pairs is not None:
        ends.append((group_of[pairs[0]], group_of[pairs[1]]))
    for each in names:
        name_of, _ = pd.factorize(each)
        ends.append((group_of[name_of >= 0], count + name_of[name_of >= 0]))
        count += int(name_of.max(initial=-1)) + 1
    edges = np.concatenate([np.empty((2, 0), np.int64), *map(np.array, ends)], axis=1)
    links = (np.ones(edges.shape[1]), (edges[0], edges[1]))
    _, component_of = connected_components(coo_array(links, shape=(count, count)), directed=False)
    _, first, component = np.unique(
        component_of[: len(known)], return_index=True, return_inverse=True
    )
    found: Texts = np.asarray(known, object)[first[component]][group_of]
    return found


def rows_of(pairs: pd.DataFrame, ids: Texts) -> Pairs:
    """Return the rows of the images of each pair, for pairs with both images among some.

    Args:
        pairs: The columns of :data:`pixmill.core.manifest.PAIRS`.
        ids: Ids of the images.
    """
    index = pd.Index(ids)
    a, b = (
        index.get_indexer(pd.Index(pairs[name].to_numpy(object))).astype(np.int64)
        for name in ("a", "b")
    )
    present = (a >= 0) & (b >= 0)
    return a[present], b[present]


def places(names: Iterable[str], salt: str) -> Floats:
    """Return a hash of each image from 0 to 1, uniformly distributed.

    Args:
        names: Image ids or group names.
        salt: ``split.salt``; another salt gives another split.
    """
    found = b"".join([hashlib.sha256(f"{salt}{name}".encode()).digest()[:8] for name in names])
    return np.frombuffer(found, ">u8") / 2.0**64


def sides_of(at: Floats, *, val: float, test: float) -> Sides:
    """Return the split of each image.

    An image keeps its split when others are added or removed. Test comes first, so changing the
    share of ``val`` does not change the test split.

    Args:
        at: Hash of each image, see :func:`places`.
        val: Share of validation images.
        test: Share of test images.
    """
    return np.where(at < test, TEST, np.where(at < test + val, VAL, TRAIN)).astype(np.int8)


def keep_given(sides: Sides, given: Sides, at: Floats, *, val: float) -> Sides:
    """Return the splits, replaced by predefined ones where they exist.

    Without a predefined validation split, it is drawn from the predefined training split.

    Args:
        sides: Splits according to the hash.
        given: Predefined split of each image; negative if there is none.
        at: Hash of each image, see :func:`places`.
        val: Share of validation images in the given training split.
    """
    has_val = bool((given == VAL).any())
    training = (
        given if has_val else np.where(given == TRAIN, sides_of(at, val=val, test=0.0), given)
    )
    return np.where(given < 0, sides, training).astype(np.int8)


def folds_of(names: Iterable[str], salt: str, count: int) -> npt.NDArray[np.int32]:
    """Return the fold of each image, from 0.

    Args:
        names: Cluster of each image.
        salt: ``split.salt``.
        count: Number of folds.
    """
    # The hash of the split is not uniform within train and val, so folds need another one.
    return (places(names, f"{salt} folds ") * count).astype(np.int32)


def given_sides(images: pd.DataFrame) -> Sides:
    """Return the predefined split of each image; negative if there is none."""
    return (
        pd.Index(PARTS)
        .get_indexer(pd.Index(images["given_split"].to_numpy(object)))
        .astype(np.int8)
    )
