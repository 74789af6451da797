"""Packages import only from floors below their own; limits on packages, modules and imports."""

import re
from pathlib import Path

import pytest

STAGES = {"scrape", "validate", "split", "train", "evaluate"}
HEAVY = {
    "great_expectations",
    "keras",
    "matplotlib",
    "mlflow",
    "scipy",
    "selenium",
    "sklearn",
    "tensorflow",
}
NAMELESS = {"common", "helper", "helpers", "misc", "util", "utils"}


TESTING = "pixmill.testing"
"""Contract tests of plugins; imports from any package, and no module imports it."""

MAX_PACKAGES = 20
MAX_FLOORS = 8
MAX_IMPORTS = 110


def package_of(module: str) -> str:
    return module.removeprefix("pixmill.").partition(".")[0]


@pytest.fixture(scope="module")
def arrows(source) -> set[tuple[str, str]]:
    """All pairs of packages of which the first imports from the second."""
    ours = {
        module: package_of(module)
        for module in source.modules
        if module not in {"pixmill", "pixmill.__main__", TESTING}
    }
    pairs = {
        (here, ours.get(name, here))
        for module, here in ours.items()
        for name in source.imports(module)
    }
    return {(here, there) for here, there in pairs if here != there and here != "stages"}


@pytest.fixture(scope="module")
def floors(repository: Path) -> list[set[str]]:
    """The packages on each floor of the table in docs/architecture.md, from the top."""
    text = (repository / "docs/architecture.md").read_text(encoding="utf-8")
    table = text.partition("| floor | packages |\n|---|---|\n")[2].partition("\n\n")[0]
    return [set(re.findall(r"`(\w+)`", row)) for row in table.splitlines()]


def test_table_of_floors_matches_imports(source, arrows, floors) -> None:
    modules = {"pixmill", "__main__", "stages", package_of(TESTING)}
    rest = {package_of(module) for module in source.modules} - modules
    computed: list[set[str]] = []
    while rest:
        floor = rest - {here for here, there in arrows if there in rest}
        assert floor, f"circular imports among {sorted(rest)}"
        computed.insert(0, floor)
        rest -= floor
    assert not any(TESTING in source.imports(module) for module in source.modules)
    assert floors == computed


def test_number_of_packages_floors_and_imports(arrows, floors) -> None:
    assert sum(map(len, floors)) <= MAX_PACKAGES
    assert len(floors) <= MAX_FLOORS
    assert len(arrows) <= MAX_IMPORTS


def test_package_init_imports_only_arithmetic(source) -> None:
    # No stage lists this module as a dependency.
    assert {name for name in source.imports("pixmill") if name.startswith("pixmill")} == {
        "pixmill.core.process.arithmetic",
        "pixmill.core.process.arithmetic.fix_arithmetic",
    }


def test_heavy_libraries_are_imported_lazily(source) -> None:
    # Only MLflow runs this file, from a model's folder; no module imports it.
    served = "pixmill.models.mlflow_format.served"
    assert not [module for module in source.modules if served in source.imports(module)]
    # Selenium belongs to a package that is imported only to open a browser.
    browser = "pixmill.fetch.browser"
    early = [
        f"{module} imports {name}"
        for module in source.modules
        for name in source.imports(module, top_level_only=True)
        if not module.startswith(browser)
        and (name.startswith(browser) or (name.split(".")[0] in HEAVY and module != served))
    ]
    assert early == []


def test_stage_libraries_import_neither_dvc_nor_argparse(source) -> None:
    imports = [
        f"{module} imports {name}"
        for module in source.modules
        for name in source.imports(module)
        if module.split(".")[1:2] in ([stage] for stage in STAGES)
        and name.split(".")[0] in {"argparse", "dvc"}
    ]
    assert imports == []


def test_stage_libraries_import_neither_page_nor_stage(source) -> None:
    imports = [
        f"{module} imports {name}"
        for module in source.modules
        for name in source.imports(module)
        if (here := package_of(module)) in STAGES
        and not module.startswith((f"pixmill.{here}.page", f"pixmill.{here}.stage"))
        and name.startswith((f"pixmill.{here}.page", f"pixmill.{here}.stage"))
    ]
    assert imports == []


def test_module_names_and_sizes(source) -> None:
    for module, path in source.modules.items():
        assert module.rsplit(".", 1)[-1] not in NAMELESS
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 550, path


def test_entry_points_are_short(repository: Path) -> None:
    scripts = {
        path.stem: len(path.read_text(encoding="utf-8").splitlines())
        for path in (repository / "stages").glob("*.py")
    }
    assert scripts.keys() >= STAGES
    assert {name: lines for name, lines in scripts.items() if lines > 60} == {}


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_stage_has_all_files(repository: Path, stage: str) -> None:
    for place in (
        f"stages/{stage}.py",
        f"src/pixmill/{stage}/stage.py",
        f"src/pixmill/{stage}/page",
        f"tests/{stage}",
    ):
        assert (repository / place).exists(), place
