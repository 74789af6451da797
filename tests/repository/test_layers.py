"""The layers hold: no module imports from one above its own."""

import ast
import re
from pathlib import Path

import pytest

STAGES = {"scrape", "validate", "split", "train", "evaluate"}
HEAVY = {"great_expectations", "keras", "matplotlib", "mlflow", "scipy", "selenium", "sklearn", "tensorflow"}
NAMELESS = {"common", "helper", "helpers", "misc", "util", "utils"}


@pytest.fixture(scope="module")
def layers(repository: Path) -> dict[str, int]:
    """The layer of each package, counted from the top of the diagram in docs/architecture.md."""
    text = (repository / "docs/architecture.md").read_text(encoding="utf-8")
    diagram = text.partition("```mermaid\n")[2].partition("```")[0]
    blocks = re.findall(r"subgraph l(\d+)\[[^\n]*\]\n(.*?)\n +end", diagram, re.DOTALL)
    arrows = " --> ".join(f"l{number}" for number, _ in blocks)
    assert arrows in diagram
    return {name.strip().partition("[")[0]: int(number) for number, names in blocks for name in names.split("~~~")}


def test_a_package_imports_only_from_layers_below_as_the_diagram_shows(source, layers) -> None:
    def package(module: str) -> str:
        return module.removeprefix("pixmill.").partition(".")[0]

    ours = {module: package(module) for module in source.modules if module not in {"pixmill", "pixmill.__main__"}}
    assert {*ours.values()} == {*layers}
    upward = [
        f"{module} imports {name}"
        for module, here in ours.items()
        for name in source.imports(module)
        if (there := ours.get(name, here)) != here and layers[there] <= layers[here]
    ]
    assert upward == []


def test_the_package_itself_only_fixes_the_arithmetic(source) -> None:
    # It is the one module that no stage lists as a dependency.
    assert source.imports("pixmill") == {"pixmill.core.arithmetic", "pixmill.core.arithmetic.fix_arithmetic"}


def test_heavy_libraries_are_imported_only_where_they_are_used(source) -> None:
    # MLflow alone runs this file, from a model's folder: no module of ours imports it.
    served = "pixmill.record.served"
    assert not [module for module in source.modules if served in source.imports(module)]
    # Selenium belongs to a package that is itself imported only where there is to be a browser.
    browser = "pixmill.web.browser"
    early = [
        f"{module} imports {name}"
        for module in source.modules
        for name in source.imports(module, top_level_only=True)
        if not module.startswith(browser)
        and (name.startswith(browser) or (name.split(".")[0] in HEAVY and module != served))
    ]
    assert early == []


def test_libraries_know_neither_dvc_nor_the_command_line(source) -> None:
    knowing = [
        f"{module} imports {name}"
        for module in source.modules
        for name in source.imports(module)
        if module.split(".")[1:2] in ([stage] for stage in STAGES) and name.split(".")[0] in {"argparse", "dvc"}
    ]
    assert knowing == []


def test_every_module_says_its_job_in_one_line(source) -> None:
    for module, path in source.modules.items():
        first = (ast.get_docstring(source.tree(module)) or "").split("\n\n")[0]
        assert first.endswith("."), path
        assert "\n" not in first, path


def test_every_module_is_named_for_its_concept_and_of_a_size_to_read(source) -> None:
    for module, path in source.modules.items():
        assert module.rsplit(".", 1)[-1] not in NAMELESS
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path


def test_an_entry_point_fits_on_a_screen(repository: Path) -> None:
    scripts = {
        path.stem: len(path.read_text(encoding="utf-8").splitlines()) for path in (repository / "stages").glob("*.py")
    }
    assert scripts.keys() >= STAGES
    assert {name: lines for name, lines in scripts.items() if lines > 60} == {}


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_a_stage_has_all_its_places(repository: Path, stage: str) -> None:
    for place in (f"stages/{stage}.py", f"src/pixmill/{stage}/__init__.py", f"tests/{stage}"):
        assert (repository / place).exists(), place
