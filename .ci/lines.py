"""Count lines of code: those with a token other than a comment, outside docstrings."""

import ast
import io
import sys
import tokenize
from pathlib import Path

_LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
    tokenize.ENCODING,
}


def code_lines(text: str) -> int:
    r"""Return the number of code lines of a module.

    >>> code_lines('"Module."\n\nx = 1  # one\n\n# two\n')
    1
    """
    strings = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines = {
        line
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in _LAYOUT
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(lines - strings)


def main() -> None:
    """Print the lines of each package, and of each folder as a whole."""
    for folder in map(Path, sys.argv[1:] or ("src", "tests", "benchmarks")):
        counts: dict[str, int] = {}
        for path in sorted(folder.rglob("*.py")):
            inner = path.relative_to(folder).parts[:-1]
            depth = 2 if inner[:1] == ("pixmill",) else 1
            name = "/".join((folder.as_posix(), *inner[:depth]))
            counts[name] = counts.get(name, 0) + code_lines(path.read_text(encoding="utf-8"))
        for name, count in counts.items():
            print(f"{count:8,}  {name}")
        print(f"{sum(counts.values()):8,}  {folder} in all\n")


if __name__ == "__main__":
    main()
