"""Guess which columns of a table have images, labels and facts, from names and contents."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain

from pixmill.core.errors import DataError
from pixmill.core.metadata import COLUMNS, SPLITS
from pixmill.core.names import fold
from pixmill.core.words import first_of, join_names, shell_word
from pixmill.dataset.layout import role_of
from pixmill.dataset.several import labels_of, split_lists
from pixmill.dataset.table_files import SEPARATOR, Roles, Table, UnreadError

ROLES = ("image", *COLUMNS[1:], "not_label")
"""What columns can be; the names that ``--columns`` takes."""

_NAMES = {
    "image": (
        "filename file image imagename imagepath filepath path img imgpath imageid id "
        "imagefile imageurl url"
    ),
    "label": "label labels class classname category categoryname species breed choice target "
    "diagnosis labelname tags "
    "classid categoryid labelid",
    "group": "group groupid patient patientid subject subjectid clip clipid video videoid product "
    "productid lesionid "
    "individualid sequenceid",
    "licence": "licence license licenceurl licenseurl rights",
    "not_label": "notlabel notlabels",
    "author": "author artist creator photographer owner credit rightsholder",
    "page_url": "pageurl page sourceurl landingurl originallandingurl url link",
}
"""Names of columns without case and punctuation, in order of preference."""

_NO_LABEL = (
    "width height size filesize bytes channels depth x y w h xmin ymin isvalid istest istrain"
)
"""Names of columns, written likewise, that are never taken as labels."""

_SAMPLE = 200
"""Cells of a sample."""

_URL = re.compile(r"https?://(?!.*/data/(?:upload|local-files)/)", re.IGNORECASE)
"""Beginning of a URL, except for those of Label Studio on files."""

_FRACTION = re.compile(r"-?\d*\.(?=\d*[1-9])\d+(?:e-?\d+)?", re.IGNORECASE)


ONE_HOT = "one-hot"
"""Name of a column of labels that stands for one column for each class."""

_ONES = {"1", "1.0", "true", "yes"}
_ZEROS = {"0", "0.0", "false", "no"}
_MAX_WRONG = 0.2
"""Share of the cells of a column of a label that may be neither, which are mistakes."""

_MAX_NONE = 0.1
"""Share of the rows of such a table that may have no class."""


def is_url(cell: str) -> bool:
    """Return whether a cell is a URL to fetch."""
    return _URL.match(cell) is not None


def guess_columns(
    table: Table,
    chosen: Roles,
    find: Callable[..., str | None],
    folders: Collection[str],
    *,
    several: bool | None = None,
) -> dict[str, str]:
    """Return the columns of a table by role; without ``image`` where none names images.

    Args:
        table: The table.
        chosen: Columns by role that a person chose. Roles whose columns the table lacks are
            guessed.
        find: Returns the file that a cell names; ``is_padded``: a number may lack its zeros.
        folders: Folders that may be the classes, if no column is named like one of labels.
        several: Whether an image may have several labels; ``None``: it is guessed.

    Raises:
        DataError: Several columns, or a column and the folders, may be the label; or a cell of a
            column of a label is no answer.
    """
    columns = table.columns
    roles = {**table.sure}
    roles |= {
        role: name for role, name in chosen.items() if name in columns or name in roles.values()
    }
    names = {re.sub(r"[\W_]+", "", fold(name)): name for name in columns if any(columns[name])}

    def free() -> dict[str, str]:
        return {plain: name for plain, name in names.items() if name not in roles.values()}

    def named(role: str) -> str:
        return next(filter(None, map(free().get, _NAMES[role].split())), "")

    def holds_splits(name: str) -> bool:
        return all(cell.isalpha() and role_of(cell) in SPLITS for cell in columns[name] if cell)

    for role in ("group", "licence", "author", "not_label"):
        roles.setdefault(role, named(role))
    roles.setdefault("split", next(filter(holds_splits, free().values()), ""))
    roles.setdefault("image", _guess_image(table, free(), find))
    roles.setdefault("page_url", named("page_url"))
    if "label" not in roles and roles["image"]:
        others = [name for plain, name in free().items() if plain not in _NO_LABEL.split()]
        joins = chosen.get("label") == ONE_HOT
        roles["label"] = (not joins and named("label")) or _guess_label(
            table, others, roles["image"], folders, several, joins=joins
        )
    return {role: roles[role] for role in ROLES if roles.get(role)}


def to_option(roles: Roles) -> str:
    r"""Return the option of the command line that chooses the columns.

    >>> to_option({"image": "id", "label": "the breed"})
    "--columns 'image=id,label=the breed'"
    >>> to_option({"label": "breed, sex"})
    '--columns \'"label=breed, sex"\''
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(f"{role}={name}" for role, name in roles.items())
    return f"--columns {shell_word(text.getvalue())}"


def _guess_image(table: Table, names: Mapping[str, str], find: Callable[..., str | None]) -> str:
    """Return the column that names files; if there is none, one of URLs; or an empty text."""
    known = _NAMES["image"].split()
    found: dict[bool, list[str]] = {False: [], True: []}
    for plain in sorted(
        names, key=lambda plain: known.index(plain) if plain in known else len(known)
    ):
        name = names[plain]
        cells = [*filter(None, table.columns[name])]
        sample = cells[:: -(-len(cells) // _SAMPLE)]
        least = len(sample) / 2
        is_known = plain in known
        is_label = not is_known and 2 * len({*sample}) <= len(sample) > 2
        # Without its leading zeros, any count would name the file of a number.
        find_file = partial(find, is_padded=is_known)
        if not is_label and any(
            len([*filter(names_image, sample)]) >= least for names_image in (find_file, is_url)
        ):
            if not is_known and (find_file(name) or is_url(name)):
                raise UnreadError(
                    f"{table.path} has no header: its first line names an image, {name}",
                    next="add a first line that names the columns, such as: image,label",
                )
            found[is_url(sample[0])].append(name)
    return next(iter(found[False] + found[True]), "")


def _join_columns(
    table: Table, bits: Sequence[str], several: bool | None, *, is_alone: bool
) -> bool:
    """Replace columns of labels, 1 in the rows of their images, by one; return whether they are.

    Args:
        table: The table.
        bits: The columns.
        several: Whether an image may have several; ``None``: unless nearly all have one.
        is_alone: Whether the label can be nowhere else.

    Raises:
        DataError: A cell of such a column is no answer.
    """
    has = _join_names(table, bits, _ONES)
    is_one = _is_one_hot(map(table.columns.__getitem__, bits), has, several)
    if not is_one:
        if several is False or not is_alone:
            return False
        _require_answers(table, bits)
        lacks = _join_names(table, bits, _ZEROS)
        table.lacking.extend(lacks if any(lacks) else ())
    for name in bits:
        del table.columns[name]
    table.columns[ONE_HOT] = has
    return True


def _is_one_hot(
    columns: Iterable[Sequence[str]], joined: Sequence[str], several: bool | None
) -> bool:
    """Return whether all cells are answers, and nearly all rows have a class."""
    if several or (several is None and any(SEPARATOR in cell for cell in joined)):
        return False
    is_full = not any("" in cells or _wrong(cells) for cells in columns)
    return is_full and joined.count("") <= _MAX_NONE * len(joined)


def _holds_answers(cells: Sequence[str]) -> bool:
    """Return whether nearly all cells of a column are answers."""
    return len(_wrong(cells)) <= _MAX_WRONG * (len(cells) - cells.count(""))


def denies(cells: Sequence[str]) -> bool:
    """Return whether a column is one of answers, and some are no."""
    return _holds_answers(cells) and not _ZEROS.isdisjoint(map(str.lower, cells))


def _wrong(cells: Sequence[str]) -> list[int]:
    """Return the numbers of cells that are no answers."""
    answers = {*_ONES, *_ZEROS, ""}
    return [number for number, cell in enumerate(cells) if cell.lower() not in answers]


def _require_answers(table: Table, names: Sequence[str]) -> None:
    for name in names:
        for number in _wrong(table.columns[name]):
            raise DataError(
                f"{table.where(number)}: {name} is {table.columns[name][number]!r}, expected 0, 1, "
                "yes, no, true, false or nothing",
                next="correct it, or remove the column if it is no label",
            )


def _join_names(table: Table, names: Sequence[str], answers: Collection[str]) -> list[str]:
    """Return for each row the names of the columns with one of the answers, joined."""
    rows = zip(*(table.columns[name] for name in names), strict=True)
    return [
        SEPARATOR.join(
            name for name, cell in zip(names, row, strict=True) if cell.lower() in answers
        )
        for row in rows
    ]


def _may_be_label(table: Table, name: str) -> bool:
    """Return whether the values of a column, or those that its cells list, repeat."""
    cells = split_lists(table.columns[name], "|;")
    values = Counter(chain.from_iterable(map(labels_of, cells)))
    return 1 < len(values) <= values.total() / 2 and not any(
        is_url(value) or _FRACTION.fullmatch(value) for value in values
    )


def _guess_label(
    table: Table,
    names: Collection[str],
    image: str,
    folders: Collection[str],
    several: bool | None,
    *,
    joins: bool,
) -> str:
    """Return the only column whose values repeat, or that of labels; or an empty text.

    Args:
        table: The table; columns of labels are replaced by one.
        names: Columns that may name labels.
        image: The column of images.
        folders: Folders that may be the classes.
        several: Whether an image may have several labels.
        joins: Whether a person chose the columns of labels.
    """
    bits = [name for name in names if _holds_answers(table.columns[name])]
    choices = [*filter(partial(_may_be_label, table), names)]
    is_alone = joins or (len(folders) < 2 and {*bits}.issuperset(choices))
    if len(bits) > 1 and _join_columns(table, bits, several, is_alone=is_alone):
        return ONE_HOT
    _require_one(table, choices, folders, image, offers=len(bits) > 1 and several is not False)
    return choices[0] if choices else ""


def _require_one(
    table: Table, choices: Sequence[str], folders: Collection[str], image: str, *, offers: bool
) -> None:
    """Refuse several places of the label; ``offers``: columns may be labels, too."""
    places = [f"{name} ({len({*filter(None, table.columns[name])}):,} values)" for name in choices]
    if len(folders) > 1:
        places.append(f"the folder ({first_of(sorted(folders), 3)}; --pattern '([^/]+)/[^/]+$')")
    if choices and len(places) > 1:
        names = [choices[0], ONE_HOT][: 1 + offers]
        options = [to_option({"image": image, "label": name}) for name in names]
        more = " (a column for each label)" * offers
        raise DataError(
            f"{table.path.name}: the label may be {join_names(places, 10)}",
            next=f"choose one: {', or '.join(options)}{more}",
        )
