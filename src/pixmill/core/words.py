"""Text for messages and pages: plurals, lists, suggestions for mistyped names, escaping."""

import difflib
import os
import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import Any

FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\n")
"""First characters of a text that a spreadsheet evaluates as a formula."""

_MAX_TAIL = 30
"""Number of characters that :func:`shorten` keeps at the end."""


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun.

    >>> count(1, "image"), count(1200, "image"), count(2, "class", "classes")
    ('1 image', '1,200 images', '2 classes')

    Args:
        number: The count.
        noun: Singular form, with any following words, such as ``image was``.
        plural: Plural form; default: the noun with an ``s``.
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def describe_seconds(seconds: float) -> str:
    """Return a duration in whole seconds, minutes or hours.

    >>> describe_seconds(42.4), describe_seconds(140), describe_seconds(9000)
    ('42 s', '2 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def percent(share: float, digits: int = 1) -> str:
    """Return a share as text, with so many decimals.

    >>> percent(0.4687), percent(1, 0)
    ('46.9 %', '100 %')
    """
    return f"{100 * share:.{digits}f} %"


def did_you_mean(
    name: str,
    known: Iterable[str],
    *,
    most: int = 1,
    cutoff: float = 0.6,
    show: Callable[[str], str] = str,
) -> str:
    """Return a suggestion to append to a message about an unknown name, or nothing.

    >>> did_you_mean("epoch", ["epochs", "seed"]), did_you_mean("x", ["epochs"])
    ('; did you mean epochs?', '')

    Args:
        name: The unknown name.
        known: The known names.
        most: Maximum number of suggestions.
        cutoff: Minimum similarity, 0 to 1.
        show: Formats a name.
    """
    close = difflib.get_close_matches(name, list(known), most, cutoff)
    return f"; did you mean {' or '.join(map(show, close))}?" if close else ""


def first_of(names: Sequence[str], most: int = 20) -> str:
    """Return the first names, comma-separated, with the count of the rest.

    >>> first_of(["coat", "dress", "shirt"], 2)
    'coat, dress and 1 more'
    """
    return ", ".join(names[:most]) + (
        f" and {len(names) - most:,} more" if len(names) > most else ""
    )


def join_names(names: Sequence[str], most: int | None = None) -> str:
    """Return names as a list in a sentence.

    >>> join_names(["coat", "dress", "shoe"])
    'coat, dress and shoe'
    >>> join_names(["coat", "dress", "shoe", "shirt"], most=2)
    'coat, dress and 2 more'

    Args:
        names: The names.
        most: Number of names to show before the count of the rest; default: all.
    """
    left = 0 if most is None else len(names) - most
    shown = [*names[:most], f"{left:,} more"] if left > 0 else names
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))


_JOINERS = "\u200c\u200d"
"""Invisible characters within emoji and words of scripts such as Persian."""


def printable(text: str, instead: str | None = None) -> str:
    r"""Replace unprintable characters, such as the control sequences of a terminal.

    >>> printable("one\ntwo"), printable("one\ntwo", instead=" ")
    ('one\\ntwo', 'one two')

    Args:
        text: The text.
        instead: Replacement for each unprintable character; default: its escape sequence.
    """
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() or sign in _JOINERS else instead or repr(sign)[1:-1]
        for sign in text
    )


def printable_lines(text: str) -> str:
    """Replace unprintable characters in each line, see :func:`printable`."""
    return "\n".join(map(printable, text.split("\n")))


def shell_word(path: str) -> str:
    r"""Quote a path for a shell; undecodable bytes and control characters are escaped.

    >>> print(shell_word("a b"), shell_word("a\x1b"))
    'a b' $'a\x1b'

    Args:
        path: A path decoded by :func:`os.fsdecode`.
    """
    if path.isprintable():
        return shlex.quote(path)
    spelled = (
        chr(byte) if 32 <= byte < 127 and byte not in b"'\\" else f"\\x{byte:02x}"
        for byte in os.fsencode(path)
    )
    return f"$'{''.join(spelled)}'"


def shorten(text: str, limit: int = 90) -> str:
    """Return a name or URL, its middle replaced by an ellipsis if it is too long.

    Args:
        text: The name.
        limit: Maximum number of characters.
    """
    tail = min(_MAX_TAIL, limit // 2)
    return text if len(text) <= limit else f"{text[: limit - tail - 1]}…{text[-tail:]}"


def spreadsheet_cell(value: Any) -> str:
    """Return a value as text that no spreadsheet evaluates as a formula."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.6g}"
        case str() if value.startswith(FORMULA_PREFIXES):
            value = f"'{value}"
    # The writers leave a carriage return without quotes, so it would begin another row.
    return str(value).replace("\r", " ")
