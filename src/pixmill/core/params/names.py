"""Names of classes, which are also names of folders: one spelling for each, and none that a system refuses."""

import unicodedata

FOLDER = r"^(?!([cC][oO][nN]|[pP][rR][nN]|[aA][uU][xX]|[nN][uU][lL]|([cC][oO][mM]|[lL][pP][tT])[1-9]) *(\.|$)).*[^. ]$"
"""A folder's name on every system: Windows keeps these names for devices, with any extension, and drops a dot or space
at the end. It is valid in Python and in JSON Schema, whose patterns have no flags."""


def to_nfc(name: str) -> str:
    r"""Return a name in Unicode's composed form (NFC); macOS may write é as two characters.

    >>> to_nfc("cafe\N{COMBINING ACUTE ACCENT}") == "caf\N{LATIN SMALL LETTER E WITH ACUTE}"
    True
    """
    return unicodedata.normalize("NFC", name)


def to_text(name: str) -> str:
    """Return a file's name as a text that every table can hold: on Linux it need not be one."""
    return name.encode("utf-8", "backslashreplace").decode()


def fold(name: str) -> str:
    """Return a name without regard to case, equal for names such as ``straße`` and ``Strasse``.

    >>> fold("Straße")
    'strasse'
    """
    return to_nfc(name.casefold())
