"""The code that goes with a model is the pipeline's own under another name, and no more than it needs."""

import importlib

from pixmill.models.mlflow_format.saving import copy_standalone


def test_the_copy_imports_no_pixmill_and_holds_no_more_than_the_classifier_needs(
    tmp_path, monkeypatch
):
    folder = copy_standalone("pixmill.models.classifier", tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert importlib.import_module(
        f"{folder.name}.models.classifier"
    ).Classifier.__module__.startswith("pixmill_")
    paths = {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*.py")
    }
    assert {path.split("/")[0] for path in paths} == {
        "__init__.py",
        "core",
        "images",
        "metrics",
        "models",
    }
    assert not [
        path
        for path in paths
        if path.startswith(("images/parts", "images/likeness", "models/backbones"))
    ]
    assert not [
        path for path, text in paths.items() if "from pixmill." in text or "import pixmill" in text
    ]
