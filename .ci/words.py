"""Count words that make prose hard to read, per 10,000 lines of files, folders or installed packages."""

import re
import sys
from importlib.util import find_spec
from pathlib import Path

WORDS = (
    "tell|tells|telling",
    "told",
    "what is",
    "said",
    "beside|besides",
    "of its own",
    "anew",
    "amiss",
)

_SUFFIXES = {".py", ".md", ".html", ".txt", ".js"}


def count_words(text: str) -> dict[str, int]:
    """Return how often each of :data:`WORDS` occurs.

    >>> {words: n for words, n in count_words("What is told is told anew.").items() if n}
    {'told': 2, 'what is': 1, 'anew': 1}
    """
    return {words: len(re.findall(rf"\b({words})\b", text, re.IGNORECASE)) for words in WORDS}


def find_folder(name: str) -> Path:
    """Return a file or folder of the repository, or the folder of an installed package."""
    path = Path(name)
    if path.exists():
        return path
    if (found := find_spec(name)) is None or found.origin is None:
        sys.exit(f"{name} is neither a folder nor an installed package")
    return Path(found.origin).parent


def main() -> None:
    """Print the counts of each folder."""
    for name in sys.argv[1:] or ("src", "docs", "tests", "optuna"):
        folder = find_folder(name)
        found = [folder] if folder.is_file() else folder.rglob("*")
        paths = [path for path in found if path.suffix in _SUFFIXES and path.is_file()]
        texts = [path.read_text(encoding="utf-8", errors="replace") for path in paths]
        lines = sum(text.count("\n") for text in texts)
        counts = count_words("\n".join(texts))
        shown = ", ".join(f"{words.partition('|')[0]} {n}" for words, n in counts.items() if n)
        print(
            f"{1e4 * sum(counts.values()) / max(lines, 1):6.1f}  {name} ({lines:,} lines: {shown})"
        )


if __name__ == "__main__":
    main()
