"""The repository's own modules and what each imports, read from the source."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest

STAGES = ("scrape", "validate", "split", "train", "evaluate")


@dataclass(frozen=True)
class Source:
    """All modules of ``src/pixmill`` and ``stages``.

    Args:
        root: The repository.
        modules: Path of each module by its dotted name.
    """

    root: Path
    modules: dict[str, Path]

    def tree(self, module: str) -> ast.Module:
        return ast.parse(self.modules[module].read_text(encoding="utf-8"))

    def imports(self, module: str, *, top_level_only: bool = False) -> set[str]:
        """Return the dotted names that a module imports, its functions included unless told otherwise."""
        tree = self.tree(module)
        nodes = _outside_functions(tree) if top_level_only else list(ast.walk(tree))
        found: set[str] = set()
        for node in nodes:
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{module} imports by a relative name"
                found.add(node.module or "")
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
        return found

    def closure(self, module: str, *, top_level_only: bool = False) -> set[str]:
        """Return the modules of ours that a module needs, directly or not, each with the packages around it."""
        reached: set[str] = set()
        waiting = [module]
        while waiting:
            name = waiting.pop()
            if name in reached or name not in self.modules:
                continue
            reached.add(name)
            waiting += self.imports(name, top_level_only=top_level_only)
            waiting += [name.rsplit(".", depth)[0] for depth in range(1, name.count(".") + 1)]
        return reached


def _outside_functions(tree: ast.Module) -> list[ast.AST]:
    found: list[ast.AST] = []
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        found.append(node)
        waiting += ast.iter_child_nodes(node)
    return found


@pytest.fixture(scope="session")
def source(repository: Path) -> Source:
    """Every module of the product."""
    modules = {}
    for folder, base in ((repository / "src" / "pixmill", repository / "src"), (repository / "stages", repository)):
        for path in folder.rglob("*.py"):
            if "template" in path.parts:
                continue  # the files of a new project
            parts = path.relative_to(base).with_suffix("").parts
            modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return Source(repository, modules)
