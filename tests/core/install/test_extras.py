"""The extra that a missing package belongs to, by what the installed Pixmill says of itself."""

import pytest

from pixmill.core.install.extras import list_requirements, missing_package
from pixmill.core.install.origin import install_command


def missing(module: str) -> ModuleNotFoundError:
    return ModuleNotFoundError(f"No module named '{module}'", name=module)


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch):
    monkeypatch.setattr("pixmill.core.install.extras.importlib.util.find_spec", lambda _: None)


def test_an_extra_includes_what_it_names():
    base, serve, pipeline = (
        {one.name for one in list_requirements(extras)} for extras in ((), ("serve",), ("pipeline",))
    )
    assert base < serve < pipeline
    assert "numpy" in base
    assert "fastapi" in serve - base
    assert "tensorflow" in pipeline - serve
    assert "pixmill" not in pipeline


@pytest.mark.parametrize(
    ("module", "extras", "package", "extra"),
    [
        ("fastapi.responses", ("serve", "registry"), "fastapi", "serve"),
        ("ai_edge_litert.interpreter", ("serve", "registry"), "ai-edge-litert", "serve"),
        ("mlflow", ("serve", "registry"), "mlflow-skinny", "registry"),
        ("mlflow", (), "mlflow", "pipeline"),
        ("pyarrow", ("serve", "registry"), "pyarrow", "pipeline"),
        ("sklearn.metrics", (), "scikit-learn", "pipeline"),
        ("fastapi", (), "fastapi", "pipeline"),
        ("optuna", ("sweep",), "optuna", "sweep"),
    ],
)
def test_the_smallest_extra_that_is_enough_is_named(module, extras, package, extra):
    error = missing_package(missing(module), "pixmill act", extras=extras)
    assert (error.message, error.next) == (
        f"`pixmill act` needs the package {package}, which is not installed",
        install_command(extra),
    )


@pytest.mark.parametrize("error", [missing("shoes.train"), ModuleNotFoundError("no name")])
def test_what_no_extra_brings_is_a_defect(error):
    assert missing_package(error, "pixmill act") is None


def test_a_module_that_an_installed_package_lacks_is_a_defect(monkeypatch):
    monkeypatch.undo()
    assert missing_package(missing("numpy.gone"), "pixmill act") is None
