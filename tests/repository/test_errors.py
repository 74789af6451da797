"""The tree of exceptions in the docstring of pixmill.core.errors matches the code."""

import ast
import re

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
