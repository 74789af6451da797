"""Models in MLflow's format, written to a folder without an MLflow server."""

from __future__ import annotations

import ast
import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.models.model_folder import (
    HELD_OUT_FILE,
    NOVELTY_FILE,
    classifier_files,
    keras_packages,
    read_description,
)

if TYPE_CHECKING:
    import keras


_SERVED = Path(__file__).with_name("served.py")

_ROOT = Path(__file__).resolve().parents[2]

_NAME = re.compile(r"\bpixmill\.(?=[a-z])")


def save_keras_model(model: keras.Model, folder: Path) -> None:
    """Write a Keras model in MLflow's format, with its signature.

    Args:
        model: Takes one float32 tensor and returns one.
        folder: Target folder, which must not exist.
    """
    import mlflow.keras
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    def schema(shape: tuple[int | None, ...]) -> Schema:
        return Schema([TensorSpec(np.dtype("float32"), (-1, *shape[1:]))])

    folder.mkdir(exist_ok=True)
    mlflow.keras.save_model(
        model,
        str(folder),
        signature=ModelSignature(schema(model.input_shape), schema(model.output_shape)),
        pip_requirements=_pin(*keras_packages(model.to_json())),
    )


def save_classifier_model(classifier: Path, folder: Path) -> None:
    """Write a pyfunc model that takes the bytes of images and requires neither pickle nor Pixmill.

    Args:
        classifier: ``artifacts/train``, or a copy of it.
        folder: Target folder, which must not exist.
    """
    import mlflow.pyfunc

    from pixmill.models.held_out import copy_held_out

    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        temporary = Path(made)
        (temporary / "classifier").mkdir()
        for file in classifier_files(classifier):
            shutil.copyfile(classifier / file, temporary / "classifier" / file)
        if (classifier / NOVELTY_FILE).exists():  # what a log keeps of images needs it
            shutil.copyfile(classifier / NOVELTY_FILE, temporary / "classifier" / NOVELTY_FILE)
        if (classifier / HELD_OUT_FILE).exists():  # other shares of the classes need it
            labels = read_description(classifier)["labels"]
            copy_held_out(classifier, temporary / "classifier", labels)
        code = copy_standalone(temporary)
        mlflow.pyfunc.save_model(
            str(folder),
            python_model=str(_SERVED),
            artifacts={"classifier": str(temporary / "classifier"), "code": str(code)},
            pip_requirements=_pin("mlflow", "numpy", "pandas", "pillow", "ai-edge-litert"),
        )
    for cache in folder.rglob("__pycache__"):
        shutil.rmtree(cache, ignore_errors=True)


def _pin(*packages: str) -> list[str]:
    return [f"{package}=={version(package)}" for package in packages]


def copy_standalone(folder: Path) -> Path:
    """Write the modules of the classifier into a folder, and return the folder of the package.

    Each ``__init__.py`` is empty in the copy unless a name is imported from the package itself.

    Args:
        folder: Target folder.
    """
    texts: dict[Path, str] = {}
    pending = ["pixmill.models.classifier"]
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
