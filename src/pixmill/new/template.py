"""The files of a new project, from ``template/``.

They lie there as they are in a project, except for tokens such as ``@project@`` and for some names. A leading ``_``
stands for a dot, since packaging tools leave hidden files out, and ``src/package`` for the folder of the project's own
code. The suffix ``.in`` hides ``dvc.yaml`` and ``pyproject.toml`` from tools that look for them in all folders.
"""

from __future__ import annotations

from pathlib import Path

from pixmill.core.params.reference import schema

__all__ = ["MANAGED", "SCHEMA", "render"]

SCHEMA = "params.schema.json"
"""What editors complete and check ``params.yaml`` by."""

MANAGED = (
    ".dvcignore", ".gitattributes", ".github/workflows/ci.yml", ".gitignore", ".gitlab-ci.yml",
    ".pre-commit-config.yaml", "MLproject", "Makefile", "dvc.yaml", SCHEMA, "python_env.yaml",
    "stages/__init__.py", "stages/__main__.py", "stages/evaluate.py", "stages/scrape.py", "stages/split.py",
    "stages/train.py", "stages/validate.py", "tests/test_project.py",
)  # fmt: skip
"""The files that ``pixmill upgrade`` rewrites unless someone edited them."""

_TEMPLATE = Path(__file__).parent / "template"


def render(name: str, package: str, version: str) -> dict[str, str]:
    """Return the text of each file of the template, by its path in the project.

    Args:
        name: The project's name.
        package: The package of its own code, an identifier.
        version: The version of Pixmill that the project asks for.
    """
    files = {SCHEMA: schema()}
    for path in _TEMPLATE.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            text = path.read_text(encoding="utf-8")
            for token, value in {"@project@": name, "@package@": package, "@version@": version}.items():
                text = text.replace(token, value)
            files[_path_of(path.relative_to(_TEMPLATE), package)] = text
    return dict(sorted(files.items()))


def _path_of(path: Path, package: str) -> str:
    parts = [f".{part[1:]}" if part[0] == "_" and not part.startswith("__") else part for part in path.parts]
    if parts[:2] == ["src", "package"]:
        parts[1] = package
    return "/".join(parts).removesuffix(".in")
