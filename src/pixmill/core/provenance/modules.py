"""The modules of a package: normal form, imports, and import closure."""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

from pixmill.core.provenance.code import form_and_imports


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
        return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


def is_within(module: str, *packages: str) -> bool:
    """Tell whether a module is one of these packages or modules, or inside of one."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)
