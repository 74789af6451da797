"""What the code needs of others is declared, and nothing else: none of it comes by way of somebody else's needs."""

import re
import sys
import tomllib
from importlib.metadata import packages_distributions


def declared(source, *extras: str) -> set[str]:
    """Return the names of the packages that ``pyproject.toml`` asks for, with these extras."""
    project = tomllib.loads((source.root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras)]
    return {re.split(r"[^a-z0-9-]", requirement)[0] for requirements in lists for requirement in requirements}


def imported(source) -> dict[str, set[str]]:
    """Return the packages that provide each module of others that ours import."""
    names = {name.partition(".")[0] for module in source.modules for name in source.imports(module)}
    provided = packages_distributions()
    others = names - sys.stdlib_module_names - {"pixmill", "stages"}
    return {name: {re.sub(r"[._]", "-", package.lower()) for package in provided[name]} for name in others}


def test_what_is_imported_is_declared(source) -> None:
    known = declared(source, "onnx")
    assert {name for name, packages in imported(source).items() if packages.isdisjoint(known)} == set()


def test_what_is_declared_is_used(source) -> None:
    assert declared(source) <= set().union(*imported(source).values())
