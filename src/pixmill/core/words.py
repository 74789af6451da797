"""Words for messages and pages: numbers with their nouns, lists, mistyped names, and texts of strangers."""

import difflib
import os
import shlex
from collections.abc import Callable, Iterable, Sequence


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun.

    >>> count(1, "image"), count(1200, "image"), count(2, "class", "classes")
    ('1 image', '1,200 images', '2 classes')

    Args:
        number: How many.
        noun: In the singular; what follows it may stand here, too, as in ``image was``.
        plural: Default: the noun with an ``s``.
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def did_you_mean(
    name: str, known: Iterable[str], *, most: int = 1, cutoff: float = 0.6, show: Callable[[str], str] = str
) -> str:
    """Return the end of a message about an unknown name: which of those that there are it may mean, if any.

    >>> did_you_mean("epoch", ["epochs", "seed"]), did_you_mean("x", ["epochs"])
    ('; did you mean epochs?', '')

    Args:
        name: The unknown name.
        known: Those that there are.
        most: The most that are suggested.
        cutoff: How alike they must be, 0 to 1.
        show: How a name is written.
    """
    close = difflib.get_close_matches(name, list(known), most, cutoff)
    return f"; did you mean {' or '.join(map(show, close))}?" if close else ""


def first_of(names: Sequence[str], most: int) -> str:
    """Return the first names with commas between them, and dots where there are more.

    >>> first_of(["coat", "dress", "shirt"], 2)
    'coat, dress, …'
    """
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def join_names(names: Sequence[str], most: int | None = None) -> str:
    """Return names as a list in a sentence.

    >>> join_names(["coat", "dress", "shoe"]), join_names(["coat", "dress", "shoe", "shirt"], most=2)
    ('coat, dress and shoe', 'coat, dress and 2 more')

    Args:
        names: The names.
        most: How many of them stand there before the count of the others; default: all.
    """
    left = 0 if most is None else len(names) - most
    shown = [*names[:most], f"{left:,} more"] if left > 0 else names
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))


def printable(text: str, instead: str | None = None) -> str:
    r"""Return a text without the characters that would not show, or could lead a terminal astray.

    >>> printable("one\ntwo"), printable("one\ntwo", instead=" ")
    ('one\\ntwo', 'one two')

    Args:
        text: The text, of a page, a file's name or a commit.
        instead: What takes the place of such a character; default: its escape sequence.
    """
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else instead or repr(sign)[1:-1] for sign in text)


def shell_word(path: str) -> str:
    r"""Return a path as a shell reads it; bytes that are no text, or that a terminal would obey, are spelled out.

    >>> print(shell_word("a b"), shell_word("a\x1b"))
    'a b' $'a\x1b'

    Args:
        path: As :func:`os.fsdecode` returns it.
    """
    if path.isprintable():
        return shlex.quote(path)
    spelled = (chr(byte) if 32 <= byte < 127 and byte not in b"'\\" else f"\\x{byte:02x}" for byte in os.fsencode(path))
    return f"$'{''.join(spelled)}'"
