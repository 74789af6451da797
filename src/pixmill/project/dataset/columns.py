"""Guess which columns of a table have images, labels and facts, from names and contents."""

import re
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence

from pixmill.core.errors import DataError
from pixmill.core.metadata import COLUMNS
from pixmill.core.names import fold
from pixmill.core.words import join_names, shell_word
from pixmill.project.dataset.table_files import Table

ROLES = ("image", *COLUMNS[1:])
"""What columns can be; the names that ``--columns`` takes."""

ONE_HOT = "+"
"""Joins the columns of classes that hold 1 for the label and 0 otherwise, in place of a column of labels."""

_NAMES = {
    "image": "filename file image imagename imagepath filepath path img imgpath imageid id imagefile imageurl url",
    "label": "label labels class classname category categoryname species breed choice target diagnosis labelname "
    "classid categoryid labelid",
    "group": "group groupid patient patientid subject subjectid clip clipid video videoid product productid lesionid "
    "individualid sequenceid",
    "licence": "licence license licenceurl licenseurl rights",
    "author": "author artist creator photographer owner credit rightsholder",
    "page_url": "pageurl page sourceurl landingurl originallandingurl",
}
"""Names of columns without case and punctuation, in order of preference."""

_FILES = 5
"""Names of images, at the beginning, that mean files rather than URLs."""

_NO_LABEL = {"width", "height", "size", "filesize", "bytes", "channels", "depth", "x", "y", "w", "h", "xmin", "ymin"}
"""Names of columns that are never taken as labels."""

_SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}

_MIN_SHARE = 0.9
"""Share of the cells of a sample that must name an image."""

_MIN_SHARE_NAMED = 0.5
"""The same in a column whose name says that it names images."""

_SAMPLE = 200
"""Cells of a sample."""

_URL = re.compile(r"https?://(?!.*/data/(?:upload|local-files)/)", re.IGNORECASE)
"""Beginning of a URL, except for those of Label Studio on files."""

_BINARY = {"0", "1", "0.0", "1.0"}


def is_url(cell: str) -> bool:
    """Return whether a cell is a URL to fetch."""
    return _URL.match(cell) is not None


def to_split(word: str) -> str | None:
    """Return the split that a word names: ``train``, ``val``, ``test`` or ``None``.

    >>> to_split("Validation"), to_split("cat")
    ('val', None)
    """
    return _SPLITS.get(fold(word))


def words_of(name: str) -> set[str]:
    """Return the case-folded words of the name of a folder or file."""
    return {word for word in re.split(r"[\W_\d]+", fold(name)) if word}


def guess_columns(table: Table, chosen: Mapping[str, str], has_file: Callable[[str], bool]) -> dict[str, str]:
    """Return the columns of a table by role; without ``image`` where none names images.

    Args:
        table: The table.
        chosen: Columns by role that a person chose; an empty one means none. Roles whose columns the table lacks are
            guessed.
        has_file: Whether a cell names a file.

    Raises:
        DataError: Several columns may be the label.
    """
    columns = table.columns
    roles = dict(table.sure)
    roles |= {role: name for role, name in chosen.items() if all(each in columns for each in one_hot(name, columns))}
    names = {_plain(name): name for name in columns if any(columns[name])}
    for role in ("group", "licence", "author", "page_url"):
        if role not in roles and (named := _first_named(role, names, roles)):
            roles[role] = named
    if "split" not in roles:
        split = [name for name in names.values() if all(map(to_split, filter(None, columns[name])))]
        roles |= {"split": split[0]} if split else {}
    if "image" not in roles and (image := _guess_image(columns, names, roles, has_file)):
        roles["image"] = image
    if "label" not in roles and "image" in roles and (label := _guess_label(table, names, roles)):
        roles["label"] = label
    return {role: roles[role] for role in ROLES if roles.get(role)}


def has_label_name(table: Table, name: str) -> bool:
    """Return whether a column is known to be the label, not by its contents alone."""
    return name == table.sure.get("label") or _plain(name) in _NAMES["label"].split()


def one_hot(name: str, columns: Container[str]) -> list[str]:
    """Return the columns that ``A+B`` names, or the column itself if there is one of that name; none if empty."""
    return [name] if name in columns else name.split(ONE_HOT) if name else []


def to_option(roles: Mapping[str, str]) -> str:
    """Return the option of the command line that chooses the columns.

    >>> to_option({"image": "id", "label": "the breed"})
    "--columns 'image=id,label=the breed'"
    """
    return f"--columns {shell_word(','.join(f'{role}={name}' for role, name in roles.items()))}"


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", fold(name))


def _first_named(role: str, names: Mapping[str, str], roles: Mapping[str, str]) -> str | None:
    taken = set(roles.values())
    return next((names[name] for name in _NAMES[role].split() if name in names and names[name] not in taken), None)


def _guess_image(
    columns: Mapping[str, Sequence[str]],
    names: Mapping[str, str],
    roles: Mapping[str, str],
    has_file: Callable[[str], bool],
) -> str | None:
    """Return the column that names files; if there is none, one of URLs."""
    known = _NAMES["image"].split()
    ranks = {name: known.index(plain) if plain in known else len(known) for plain, name in names.items()}
    urls, files = [], []
    candidates = sorted((name for name in ranks if name not in roles.values()), key=ranks.__getitem__)
    for name in candidates:
        cells = list(filter(None, columns[name]))
        sample = cells[:: -(-len(cells) // _SAMPLE)]
        least = len(sample) * (_MIN_SHARE if ranks[name] == len(known) else _MIN_SHARE_NAMED)
        if 2 * len(set(sample)) <= len(sample) and len(sample) > 2:
            continue  # a label
        if sum(map(is_url, sample)) >= least:
            urls.append(name)
        elif not (urls and ranks[name] >= _FILES) and sum(map(has_file, sample)) >= least:
            files.append(name)
    return next(iter(files + urls), None)


def _guess_label(table: Table, names: Mapping[str, str], roles: Mapping[str, str]) -> str | None:
    counts = {
        name: Counter(filter(None, table.columns[name]))
        for plain, name in names.items()
        if name not in roles.values() and plain not in _NO_LABEL
    }
    label = _first_named("label", names, roles)
    if label is None:
        binary = [name for name, values in counts.items() if values.keys() <= _BINARY]
        sums = [
            sum(cell.startswith("1") for cell in row)
            for row in zip(*(table.columns[name] for name in binary), strict=True)
        ]
        others = [
            name
            for name, values in counts.items()
            if name not in binary
            and 2 <= len(values) <= values.total() / 2
            and not any(is_url(value) or _is_fraction(value) for value in values)
        ]
        if len(binary) > 1 and (not others or sum(n == 1 for n in sums) >= _MIN_SHARE * len(sums)):
            return ONE_HOT.join(binary)
        others = others or binary
        codes = {code for code in others if any(_are_codes(table, code, name) for name in others)}
        if len(others := [name for name in others if name not in codes]) > 1:
            choices = [f"{name} ({len(counts[name]):,} values)" for name in others]
            raise DataError(
                f"{table.path.name} has several columns that may be the label: {join_names(choices, 10)}",
                next=f"choose one, for example: {to_option({**roles, 'label': others[0]})}",
            )
        return others[0] if others else None
    return next((name for name in counts if _are_codes(table, label, name)), label)


def _are_codes(table: Table, codes: str, name: str) -> bool:
    """Return whether a column holds numbers of the values of another, which are no numbers."""
    numbers, values = table.columns[codes], table.columns[name]
    if not all(cell.isdigit() for cell in numbers if cell) or any(cell.isdigit() for cell in values):
        return False
    pairs = set(zip(numbers, values, strict=True))
    return 1 < len(pairs) == len(set(numbers)) == len(set(values)) < len(values)


def _is_fraction(value: str) -> bool:
    return re.fullmatch(r"-?\d*\.\d+(?:e-?\d+)?", value, re.IGNORECASE) is not None
