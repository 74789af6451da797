"""Digests of Python code that ignore comments, docstrings and layout; imports of modules."""

import ast
from collections.abc import Callable, Iterable, Iterator
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
        digest.update(
            f"{path.name}\n{normal_form(ast.parse(path.read_bytes(), str(path)))}\n".encode()
        )
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
            # Empty fields may exist in some versions of Python only; the context follows from the
            # position.
            if value is not None and value != [] and name != "ctx":
                write(name)
                _write(value, write)
        write(")")
    elif isinstance(node, list):
        write("[")
        for item in node:
            if not _is_docstring(item):
                _write(item, write)
        write("]")
    else:
        write(repr(node))


def _is_docstring(node: Any) -> bool:
    """Return whether a statement is a bare string: a docstring of a function or of a name."""
    match node:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
    return False


@cache
def form_and_imports(code: bytes) -> tuple[str, frozenset[str]]:
    """Return the normal form of a module and all names that it imports.

    The syntax tree is not cached: many trees slow down Python's garbage collector.
    """
    tree = ast.parse(code)
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return normal_form(tree), frozenset(found)


class Modules:
    """The modules of ``pixmill`` and other packages, each read once.

    >>> import pixmill
    >>> modules = Modules(Path(pixmill.__file__).parent)
    >>> sorted(modules.closure(["pixmill.core.files.cache"]) - modules.closure(["pixmill.core.process.progress"]))
    ['pixmill.core.files.cache']

    Args:
        packages: Folders of packages, such as ``src/pixmill``, named like the packages.
    """

    def __init__(self, *packages: Path) -> None:
        self._packages = {package.name: package for package in packages}
        self.path = cache(self._path)
        self.read = cache(self._read)

    def form(self, module: str) -> str:
        """Return the normal form of a module: its code without comments, docstrings and layout."""
        return form_and_imports(self.read(module))[0]

    def imports(self, module: str) -> frozenset[str]:
        """Return the dotted names that a module imports, inside functions too."""
        return form_and_imports(self.read(module))[1]

    def _read(self, module: str) -> bytes:
        path = self.path(module)
        assert path is not None, module
        return path.read_bytes()

    def closure(
        self,
        start: Iterable[str],
        *,
        leave_out: Callable[[str], bool] = lambda _: False,
        imports: Callable[[str], Iterable[str]] | None = None,
    ) -> set[str]:
        """Return modules with their direct and indirect imports, and all parent packages.

        Args:
            start: The modules to start from.
            leave_out: Whether to exclude a module; its imports are not followed.
            imports: Returns the names that a module imports; default: :meth:`imports`.
        """
        imports = imports or self.imports
        reached: set[str] = set()
        waiting = [*start]
        while waiting:
            module = waiting.pop()
            if module not in reached and not leave_out(module):
                reached.add(module)
                around = (module.rsplit(".", depth)[0] for depth in range(1, module.count(".") + 1))
                waiting += [name for name in (*imports(module), *around) if self.path(name)]
        return reached

    def __iter__(self) -> Iterator[str]:
        """Yield the names of all modules."""
        for name, package in self._packages.items():
            for path in sorted(package.rglob("*.py")):
                parts = (name, *path.relative_to(package).with_suffix("").parts)
                yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def _path(self, module: str) -> Path | None:
        first, *rest = module.split(".")
        if first not in self._packages:
            return None
        path = self._packages[first].joinpath(*rest)
        return next(
            (file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()),
            None,
        )


def is_within(module: str, *packages: str) -> bool:
    """Return whether a module is one of these packages or modules, or inside of one."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)
