"""The tree of exceptions in the docstring of pixmill.core.errors matches the code."""

import ast
import builtins
import re
from collections.abc import Iterable

from pixmill.core import errors


def documented_tree() -> dict[str, tuple[str, str | None]]:
    """Return the parent of each exception in the docstring's tree, and its module if it is another one."""
    found: dict[str, tuple[str, str | None]] = {}
    above: list[str] = []
    for prefix, name, text in re.findall(
        r"^    ([ │├└─]*)(\w+)(.*)$", errors.__doc__ or "", re.MULTILINE
    ):
        del above[len(prefix) // 4 :]
        module = re.search(r" \(([\w.]+)\)$", text)
        if above:
            found[name] = above[-1], module and f"pixmill.{module[1]}"
        above.append(name)
    return found


def test_tree_has_every_exception_with_parent_and_module(source) -> None:
    tree = documented_tree()
    classes = {
        node.name: ([ast.unparse(base) for base in node.bases], module)
        for module in source.modules
        for node in source.tree(module).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    }
    exceptions = {"Exception", "OSError", "ValueError"}
    while (
        new := {name for name, (bases, _) in classes.items() if exceptions & {*bases}} - exceptions
    ):
        exceptions |= new
    assert {name: tree.get(name) for name in exceptions & {*classes}} == {
        name: (bases[0], None if module == errors.__name__ else module)
        for name, (bases, module) in classes.items()
        if name in exceptions
    } | {"PixmillError": None}
    assert {*tree} <= exceptions


def raised(nodes: Iterable[ast.AST]) -> set[str]:
    """Return the exceptions under ``Raises:`` in the docstrings of a module."""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    texts = [ast.get_docstring(node) or "" for node in nodes if isinstance(node, owners)]
    sections = [
        match[1]
        for text in texts
        for match in re.finditer(r"^Raises:\n((?: +.*\n?)+)", text, re.MULTILINE)
    ]
    found = [
        name for text in sections for name in re.findall(r"^    (\w[^:]*):", text, re.MULTILINE)
    ]
    return {name for names in found for name in re.split(r", | or ", names)}


def test_exceptions_in_docstrings_exist(source) -> None:
    found = {module: source.nodes(module) for module in source.modules}
    ours = {
        node.name for nodes in found.values() for node in nodes if isinstance(node, ast.ClassDef)
    }
    for module, nodes in found.items():
        imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
        imported = {alias.asname or alias.name for node in imports for alias in node.names}
        assert raised(nodes) - ours - imported - {*dir(builtins)} == set(), module
