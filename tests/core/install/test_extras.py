"""The extra that a missing package belongs to, by what the installed Pixmill says of itself."""

import sys
from importlib import metadata
from pathlib import Path

import pytest

from pixmill.core.install.extras import (
    installed_extra,
    installed_tensorflows,
    installed_version,
    list_requirements,
    missing_package,
)
from pixmill.core.install.origin import install_command


def missing(module: str) -> ModuleNotFoundError:
    return ModuleNotFoundError(f"No module named '{module}'", name=module)


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch):
    monkeypatch.setattr("pixmill.core.install.extras.importlib.util.find_spec", lambda _: None)


def test_an_extra_includes_what_it_names():
    base, serve, pipeline = (
        {one.name for one in list_requirements(extras)}
        for extras in ((), ("serve",), ("pipeline",))
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


@pytest.mark.parametrize(
    ("installed", "extra"),
    [
        ({"tensorflow"}, "pipeline"),
        ({"tensorflow-cpu"}, "cpu"),
        ({"tensorflow", "tensorflow-cpu"}, "pipeline"),
    ],
)
def test_one_tensorflow_stands_for_the_other(
    installed: set[str], extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in installed:
        info = tmp_path / f"{name.replace('-', '_')}-2.99.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.99.0\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert installed_extra() == extra
    assert {installed_version(name) for name in ("tensorflow", "tensorflow-cpu")} == {"2.99.0"}
    assert {*installed_tensorflows()} == installed
    with pytest.raises(metadata.PackageNotFoundError):
        installed_version("keras")
