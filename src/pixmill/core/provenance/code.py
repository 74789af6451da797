"""Digests of Python code that ignore comments, docstrings and layout."""

import ast
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from blake3 import blake3


def code_digest(paths: Iterable[Path]) -> str:
    r"""Return a digest of Python files that ignores comments, docstrings and layout.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "code.py")
    ...     _ = path.write_text("x = 1")
    ...     one = code_digest([path])
    ...     _ = path.write_text("'''Set x.'''\nx = (1)  # one")
    ...     one == code_digest([path])
    True

    Args:
        paths: The files, in order.

    Returns:
        64 hexadecimal digits.
    """
    digest = blake3()
    for path in paths:
        digest.update(f"{path.name}\n{normal_form(ast.parse(path.read_bytes(), str(path)))}\n".encode())
    return digest.hexdigest()


def normal_form(tree: ast.AST) -> str:
    """Dump a syntax tree without docstrings and positions, equally in every version of Python.

    ``ast.dump`` is slower, and includes empty fields that newer versions of Python added.

    >>> normal_form(ast.parse("x = None"))
    "Module(body[Assign(targets[Name(id'x')]valueConstant(None))])"
    """
    parts: list[str] = []
    _write(tree, parts.append)
    return "".join(parts)


def _write(node: Any, write: Callable[[str], None]) -> None:
    if isinstance(node, ast.Constant):
        write(f"Constant({node.value!r})")
    elif isinstance(node, ast.AST):
        write(f"{type(node).__name__}(")
        for name in node._fields:
            value = getattr(node, name, None)
            # Empty fields may exist in some versions of Python only; the context follows from the position.
            if value is not None and value != [] and name != "ctx":
                write(name)
                _write(value, write)
        write(")")
    elif isinstance(node, list):
        write("[")
        for item in node:
            # A bare string is a docstring of a function or of the preceding name.
            if not (isinstance(item, ast.Expr) and _is_text(item.value)):
                _write(item, write)
        write("]")
    else:
        write(repr(node))


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


@cache
def form_and_imports(code: bytes) -> tuple[str, frozenset[str]]:
    """Return the normal form of a module and all names that it imports.

    The syntax tree is not cached: many trees slow down Python's garbage collector.
    """
    tree = ast.parse(code)
    found: set[str] = set()
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):  # expressions contain no statements
            waiting += getattr(node, block, ())
    return normal_form(tree), frozenset(found)
