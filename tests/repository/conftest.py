"""The modules of the repository and their imports, read from the source."""

import ast
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import pytest

from pixmill.core.provenance.code import Modules, form_and_imports


@dataclass(frozen=True)
class Source:
    """All modules of ``src/pixmill`` and ``stages``.

    Args:
        root: Folder of the repository.
        modules: Path of each module by its dotted name.
    """

    root: Path
    modules: dict[str, Path]

    def tree(self, module: str) -> ast.Module:
        return _parsed(self.modules[module])

    def nodes(self, module: str) -> tuple[ast.AST, ...]:
        """Return all syntax nodes of a module."""
        return _nodes(self.modules[module])

    def imports(self, module: str, *, top_level_only: bool = False) -> set[str]:
        """Return the dotted names that a module imports, with ``top_level_only`` without those in functions."""
        return _imports(self.modules[module], top_level_only)

    def closure(self, module: str, *, top_level_only: bool = False) -> set[str]:
        """Return the modules of the repository that a module imports, directly or not, with their parent packages."""
        modules = Modules(self.root / "src" / "pixmill", self.root / "stages")
        return modules.closure(
            [module], imports=partial(self.imports, top_level_only=top_level_only)
        )


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(_parsed(path)))


@cache
def _imports(path: Path, top_level_only: bool) -> set[str]:
    code = path.read_text(encoding="utf-8")
    if top_level_only:
        code = ast.unparse(ast.Module(_outside_functions(_parsed(path)), []))
    assert "\nfrom ." not in code, f"{path} imports by a relative name"
    return {*form_and_imports(code.encode())[1]}


def _outside_functions(tree: ast.Module) -> list[ast.stmt]:
    """Return the import statements that run when the module is imported."""
    found: list[ast.stmt] = []
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.append(node)
        typing_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if not typing_only and not isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
        ):
            waiting += ast.iter_child_nodes(node)
    return found


@pytest.fixture(scope="session")
def source(repository: Path) -> Source:
    """All modules of the product."""
    modules = Modules(repository / "src" / "pixmill", repository / "stages")
    paths = {module: path for module in modules if (path := modules.path(module))}
    # Modules of the template belong to new projects.
    return Source(
        repository, {name: path for name, path in paths.items() if "template" not in path.parts}
    )
