"""Names of classes, which are also names of folders: normalization and portability."""

import csv
import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from pixmill.core.errors import DataError

MAX_LABEL = 200
"""Maximum length of a label, in characters."""

_RESERVED = re.compile(r"(con|prn|aux|nul|(com|lpt)[1-9]) *(\..*)?|metadata\.csv", re.IGNORECASE)
"""Names of devices on Windows, with any extension, and the table in ``data/``."""

_UNPORTABLE = re.compile(r"""[<>:"/\\|?*\x00-\x1f\x7f]|^[ .]+|[ .]+$""")
"""Characters that file systems refuse, and dots and spaces at the ends."""

_MAX_BYTES = 120
"""Length of a folder name; a few joined stay below the 255 bytes of file systems."""


_HIDING = r"\x00-\x1f\x7f-\x9f\u115f\u1160\u180e\u200b\u2028-\u202e\u2060-\u2069\u3164\ufeff\uffa0"
"""Characters that hide or reverse other text: controls, separators of lines, overrides and isolates of the direction,
and spaces without width.
"""

LABEL = rf"^(?=.*[^\s\xad\u200c-\u200f{_HIDING}])[^\s{_HIDING}](?:[^{_HIDING}]{{0,{MAX_LABEL - 2}}}[^\s{_HIDING}])?$"
"""Regular expression of labels, also in the JSON Schema."""


def is_label(value: Any) -> bool:
    """Return whether a value can be a label: at most 200 printable characters, no space at its ends.

    Refused is what hides or reverses other text, and surrogates.

    >>> is_label("Corn_(maize)___healthy"), is_label("cat / dog"), is_label(" cat"), is_label(3)
    (True, True, False, False)
    """
    return (
        isinstance(value, str)
        and to_text(value) == value
        and bool(re.fullmatch(LABEL, to_nfc(value)))
    )


def class_folder(label: str) -> str:
    """Return the folder of a class that images are written to, :func:`to_slug` of its label.

    Raises:
        DataError: The text cannot be a label.
    """
    if not is_label(label):
        expected = (
            f"a label of at most {MAX_LABEL} printable characters without spaces at their ends"
        )
        raise DataError(
            f"expected {expected}, received {label!r}",
            next="repeat the command with another, such as --label cat",
        )
    return to_slug(label)


def to_slug(label: str) -> str:
    """Return the portable folder name of a class: its label where file systems allow it.

    Otherwise other characters become ``-``, long names are cut, and a hash of the label keeps names
    distinct.

    >>> to_slug("Pepper,_bell___healthy"), to_slug("cat / dog")
    ('Pepper,_bell___healthy', 'cat - dog-424d1a14')
    """
    is_reserved = _RESERVED.fullmatch(label)
    name = _UNPORTABLE.sub("-", label.replace(".", "-") if is_reserved else label)
    if name == label and len(label.encode()) <= _MAX_BYTES and not is_reserved:
        return label
    digest = hashlib.sha256(label.encode()).hexdigest()[:8]
    return f"{name.encode()[:_MAX_BYTES].decode(errors='ignore').rstrip(' .')}-{digest}"


def to_nfc(name: str) -> str:
    r"""Return a name in Unicode's composed form (NFC); macOS may write é as two characters.

    >>> to_nfc("cafe\N{COMBINING ACUTE ACCENT}") == "caf\N{LATIN SMALL LETTER E WITH ACUTE}"
    True
    """
    return unicodedata.normalize("NFC", name)


def to_text(name: str) -> str:
    """Return a file name as valid Unicode; on Linux, names may be arbitrary bytes."""
    return name.encode("utf-8", "backslashreplace").decode()


def fold(name: str) -> str:
    """Return the case-folded name, equal for names such as ``straße`` and ``Strasse``.

    >>> fold("Straße")
    'strasse'
    """
    return to_nfc(name.casefold())


def class_by_name(classes: Sequence[str], others: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the class of each name that a folder in ``data/``, or a label in its table, may have.

    >>> class_by_name(["corn", "a/b"], {"corn": ["Corn_(maize)"]})
    {'Corn_(maize)': 'corn', 'corn': 'corn', 'a/b': 'a/b', 'a-b-c14cddc0': 'a/b'}

    Args:
        classes: Labels.
        others: Other names of classes, ``scrape.folder.classes``; they take precedence over labels.
    """
    names: dict[str, str] = {}
    others_first = [(each, name) for each in classes for name in others.get(each, ())]
    for label, name in [*others_first, *zip(classes, classes, strict=True)]:
        names.setdefault(to_nfc(name), label)
        names.setdefault(to_nfc(to_slug(name)), label)
    return names


def split_option(text: str) -> tuple[str, ...]:
    """Return the names in an option such as ``--classes``; those with commas are in quotes.

    >>> split_option('cat, "Pepper,_bell"')
    ('cat', 'Pepper,_bell')
    """
    rows = csv.reader([text], skipinitialspace=True)
    return tuple(name.strip() for row in rows for name in row if name.strip())
