"""Names of classes, which are also names of folders: normalization and portability."""

import unicodedata

FOLDER = r"^(?!([cC][oO][nN]|[pP][rR][nN]|[aA][uU][xX]|[nN][uU][lL]|([cC][oO][mM]|[lL][pP][tT])[1-9]) *(\.|$)).*[^. ]$"
"""Pattern of portable folder names: Windows reserves device names, with any extension, and drops trailing dots and
spaces. It is valid in Python and in JSON Schema, whose patterns have no flags."""


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
