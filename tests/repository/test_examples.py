"""The examples in docstrings run and print the documented output."""

import doctest
import importlib

import pytest

INTERFACES = {
    "pixmill.images.compute.batches",
    "pixmill.core.provenance.code",
    "pixmill.core.expectations",
    "pixmill.core.params.document",
    "pixmill.images.decode",
    "pixmill.models.classifier",
    "pixmill.metrics.calibration",
    "pixmill.metrics.significance",
    "pixmill.tracking.run_recorder",
    "pixmill.scrape.candidate",
    "pixmill.scrape.sources.source_list",
    "pixmill.scrape.sources.source",
    "pixmill.train.training_key",
    "pixmill.fetch.guard",
}
"""Modules with an interface for other modules, each of which has an example."""


def test_interfaces_have_an_example(source) -> None:
    assert {
        name for name in INTERFACES if ">>>" not in source.modules[name].read_text(encoding="utf-8")
    } == set()


def test_examples_run(source, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    modules = [
        name for name, path in source.modules.items() if ">>>" in path.read_text(encoding="utf-8")
    ]
    results = {name: doctest.testmod(importlib.import_module(name)) for name in modules}
    assert {name: result.failed for name, result in results.items() if result.failed} == {}
    assert {name for name, result in results.items() if not result.attempted} == set()
