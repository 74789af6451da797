"""A copy of a module of Pixmill and all its imports as a package with a unique name.

A process that loads a model may have no Pixmill or another version, which would shadow a copy of the same name. The
copy is named after the hash of its code.
"""

import ast
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_NAME = re.compile(r"\bpixmill\.(?=[a-z])")


def copy_standalone(module: str, folder: Path) -> Path:
    """Write the copy into a folder, and return the folder of the package.

    Each ``__init__.py`` is empty in the copy unless a name is imported from the package itself.

    Args:
        module: Module to copy, such as ``pixmill.models.classifier``.
        folder: Target folder.
    """
    texts: dict[Path, str] = {}
    pending = [module]
    while pending:
        path = _path(pending.pop())
        relative = path.relative_to(_ROOT)
        if relative not in texts:
            texts[relative] = path.read_text(encoding="utf-8")
            pending += _imports(ast.parse(texts[relative]))
    packages = {parent / "__init__.py": "" for path in texts for parent in path.parents}
    content = sorted((path.as_posix(), text) for path, text in (packages | texts).items())
    name = f"pixmill_{hashlib.sha256(repr(content).encode()).hexdigest()[:12]}"
    for relative_path, text in content:
        target = folder / name / relative_path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_NAME.sub(f"{name}.", text), encoding="utf-8")
    return folder / name


def _path(module: str) -> Path:
    path = _ROOT.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _imports(tree: ast.AST) -> Iterator[str]:
    """Yield the modules of Pixmill that a module imports at run time."""
    if isinstance(tree, ast.If) and ast.unparse(tree.test) == "TYPE_CHECKING":
        return
    if isinstance(tree, ast.ImportFrom) and (tree.module or "").startswith("pixmill"):
        for name in tree.names:
            module = f"{tree.module}.{name.name}"
            yield module if _path(module).exists() else str(tree.module)
    for node in ast.iter_child_nodes(tree):
        yield from _imports(node)
