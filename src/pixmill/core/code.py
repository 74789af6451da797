"""A digest of what some code does: comments, docstrings and layout do not change it."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

from blake3 import blake3

__all__ = ["code_digest"]


def code_digest(paths: Iterable[Path]) -> str:
    r"""Return a digest of Python files, in this order, that ignores comments, docstrings and layout.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "code.py")
    ...     _ = path.write_text("x = 1")
    ...     one = code_digest([path])
    ...     _ = path.write_text("'''Set x.'''\nx = (1)  # one")
    ...     one == code_digest([path])
    True

    Args:
        paths: The files.

    Returns:
        64 hexadecimal digits.
    """
    digest = blake3()
    for path in paths:
        tree = ast.parse(path.read_bytes())
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list):
                # A bare string is a docstring, of a function or of the name above it.
                node.body = [item for item in body if not _is_text(item)]  # type: ignore[attr-defined]
        digest.update(f"{path.name}\n{ast.dump(tree)}\n".encode())
    return digest.hexdigest()


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
