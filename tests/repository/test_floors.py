"""The layers hold: no module imports from one above its own."""

import ast
from pathlib import Path

import pytest

STAGES = {"scrape", "validate", "split", "train", "evaluate"}
VERBS = {"bundled", "compare", "doctor", "new", "predict", "review", "serve", "state", "use"}
TELLING = {"pages", "record"}
ENTRANCES = {"__main__", "cli", "pipeline"}
HEAVY = {"great_expectations", "keras", "matplotlib", "mlflow", "scipy", "selenium", "sklearn", "tensorflow"}
NAMELESS = {"common", "helper", "helpers", "misc", "util", "utils"}


def floor(module: str) -> int:
    """Return 1 for an entrance, 2 for a verb or the state below, 3 for what tells, 4 for a stage, 5 for the ground."""
    top, *rest = module.split(".")
    if top == "stages" or not rest or rest[0] in ENTRANCES:
        return 1
    return 2 if rest[0] in VERBS else 3 if rest[0] in TELLING else 4 if rest[0] in STAGES else 5


def ours(source, module: str) -> set[str]:
    return {name for name in source.imports(module) if name in source.modules and name != "pixmill"}


def test_no_module_imports_from_a_floor_above(source) -> None:
    above = [
        f"{module} imports {name}"
        for module in source.modules
        for name in ours(source, module)
        if floor(name) < floor(module)
    ]
    assert above == []


def test_no_stage_imports_another(source) -> None:
    crossing = [
        f"{module} imports {name}"
        for module in source.modules
        for name in ours(source, module)
        if floor(module) == floor(name) == 4 and module.split(".")[1] != name.split(".")[1]
    ]
    assert crossing == []


def test_the_package_itself_only_fixes_the_arithmetic(source) -> None:
    # It is the one module that no stage lists as a dependency.
    assert source.imports("pixmill") == {"pixmill.core.arithmetic", "pixmill.core.arithmetic.fix_arithmetic"}


def test_heavy_libraries_are_imported_only_where_they_are_used(source) -> None:
    # MLflow alone runs this file, from a model's folder: no module of ours imports it.
    served = "pixmill.record.served"
    assert not [module for module in source.modules if served in source.imports(module)]
    early = [
        f"{module} imports {name}"
        for module in source.modules
        for name in source.imports(module, top_level_only=True)
        if name.split(".")[0] in HEAVY and module != served
    ]
    assert early == []


def test_libraries_know_neither_dvc_nor_the_command_line(source) -> None:
    knowing = [
        f"{module} imports {name}"
        for module in source.modules
        for name in source.imports(module)
        if floor(module) == 4 and name.split(".")[0] in {"argparse", "dvc"}
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


def test_public_names_are_sorted(source) -> None:
    for module in source.modules:
        for node in source.tree(module).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                names = ast.literal_eval(node.value)
                assert sorted(names, key=_isort) == list(names), module


def _isort(name: str) -> tuple[int, str]:
    """Sort as ruff does: constants, classes, the rest."""
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2, name)


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_a_stage_has_all_its_places(repository: Path, stage: str) -> None:
    for place in (f"stages/{stage}.py", f"src/pixmill/{stage}/__init__.py", f"tests/{stage}"):
        assert (repository / place).exists(), place
