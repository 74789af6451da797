"""No package imports from one on its own floor or above, and the packages are few."""

import ast
import re
from pathlib import Path

import pytest

STAGES = {"scrape", "validate", "split", "train", "evaluate"}
HEAVY = {"great_expectations", "keras", "matplotlib", "mlflow", "scipy", "selenium", "sklearn", "tensorflow"}
NAMELESS = {"common", "helper", "helpers", "misc", "util", "utils"}


MOST_ROOMS, MOST_FLOORS, MOST_ARROWS = 17, 8, 90


def room(module: str) -> str:
    return module.removeprefix("pixmill.").partition(".")[0]


@pytest.fixture(scope="module")
def arrows(source) -> set[tuple[str, str]]:
    """Every pair of packages of which the first imports from the second."""
    ours = {module: room(module) for module in source.modules if module not in {"pixmill", "pixmill.__main__"}}
    pairs = {(here, ours.get(name, here)) for module, here in ours.items() for name in source.imports(module)}
    return {(here, there) for here, there in pairs if here != there and here != "stages"}


@pytest.fixture(scope="module")
def floors(repository: Path) -> list[set[str]]:
    """The packages on each floor of the diagram in docs/architecture.md, from the top."""
    text = (repository / "docs/architecture.md").read_text(encoding="utf-8")
    diagram = text.partition("```mermaid\n")[2].partition("```")[0]
    blocks = re.findall(r"subgraph l(\d+)\[[^\n]*\]\n(.*?)\n +end", diagram, re.DOTALL)
    assert " --> ".join(f"l{number}" for number, _ in blocks) in diagram
    return [{name.strip() for name in names.split("~~~")} for _, names in blocks]


def test_the_diagram_is_that_of_the_imports(source, arrows, floors) -> None:
    rest = {room(module) for module in source.modules} - {"pixmill", "__main__", "stages"}
    computed: list[set[str]] = []
    while rest:
        floor = rest - {here for here, there in arrows if there in rest}
        assert floor, f"a circle of imports among {sorted(rest)}"
        computed.insert(0, floor)
        rest -= floor
    assert floors == computed


def test_rooms_floors_and_arrows_are_few(arrows, floors) -> None:
    assert sum(map(len, floors)) <= MOST_ROOMS
    assert len(floors) <= MOST_FLOORS
    assert len(arrows) <= MOST_ARROWS


def test_the_package_itself_only_fixes_the_arithmetic(source) -> None:
    # It is the one module that no stage lists as a dependency.
    assert source.imports("pixmill") == {
        "pixmill.core.process.arithmetic",
        "pixmill.core.process.arithmetic.fix_arithmetic",
    }


def test_heavy_libraries_are_imported_only_where_they_are_used(source) -> None:
    # MLflow alone runs this file, from a model's folder: no module of ours imports it.
    served = "pixmill.models.mlflow_format.served"
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


def test_a_library_knows_neither_its_page_nor_its_stage(source) -> None:
    knowing = [
        f"{module} imports {name}"
        for module in source.modules
        for name in source.imports(module)
        if (here := room(module)) in STAGES
        and not module.startswith((f"pixmill.{here}.page", f"pixmill.{here}.stage"))
        and name.startswith((f"pixmill.{here}.page", f"pixmill.{here}.stage"))
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
    for place in (f"stages/{stage}.py", f"src/pixmill/{stage}/stage.py", f"src/pixmill/{stage}/page", f"tests/{stage}"):
        assert (repository / place).exists(), place
