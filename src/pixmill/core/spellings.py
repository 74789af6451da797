"""Find the images that ``decisions.csv`` names by other spellings than their id."""

from collections.abc import Collection, Iterable
from pathlib import Path

from pixmill.core.decisions import MIN_ID_LENGTH, is_id
from pixmill.core.files.writing import file_digest

_ID_LENGTH = 64

_TABLES = (("manifest", "path"), ("sightings", "image_url"))
"""Tables of scrape, each with the column of places."""


def resolve(root: Path, spellings: Iterable[str]) -> dict[str, str]:
    """Return the ids of images by other spellings of them.

    A beginning of an id, a URL and a path are looked up in the tables of scrape; a file in
    ``data/`` that they do not have is hashed.

    Args:
        root: Project folder.
        spellings: What rows name; full ids are left out.

    Returns:
        The id by spelling, without those that name no image here, or several.
    """
    wanted = {name for name in spellings if len(name) != _ID_LENGTH or not is_id(name)}
    if not wanted:
        return {}
    found = _look_up(root / "artifacts/scrape", wanted)
    for name in wanted - found.keys():
        path = root / name
        if name.startswith("data/") and ".." not in path.parts and path.is_file():
            found[name] = {file_digest(path)}
    return {name: next(iter(ids)) for name, ids in found.items() if len(ids) == 1}


def _look_up(folder: Path, wanted: Collection[str]) -> dict[str, set[str]]:
    """Return the ids of the images with these names in the tables of scrape, if there are any."""
    # For a moment of Git's time, without pandas.
    import pyarrow.parquet as pq

    starts = {name.lower(): name for name in wanted if is_id(name.lower())}
    found: dict[str, set[str]] = {}
    for table, column in _TABLES:
        path = folder / f"{table}.parquet"
        if not path.is_file():
            continue
        rows = pq.read_table(path, columns=["id", column])
        ids = rows.column("id").to_pylist()
        places = rows.column(column).to_pylist()
        for name, place in zip(ids, places, strict=True):
            if name is None:
                continue
            if place in wanted:
                found.setdefault(place, set()).add(name)
            if not starts:
                continue
            for length in range(MIN_ID_LENGTH, _ID_LENGTH):
                if start := starts.get(name[:length]):
                    found.setdefault(start, set()).add(name)
    return found
