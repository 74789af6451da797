"""While a run replaces the model, the last one is shown and answers."""

import shutil

import pytest

from pixmill.project.page import overview
from pixmill.project.page.last_results import TRAINED, find_kept, find_results, keep_results
from pixmill.project.page.overview import Overview
from tests.project.page.conftest import evaluate, record, write

LOCK = """stages:
  train: {outs: [{path: artifacts/train, md5: ab}]}
  evaluate: {deps: [{path: artifacts/train, md5: ab}]}
"""


@pytest.fixture
def root(tmp_path):
    """A project with an evaluated model."""
    finish(tmp_path, "dog", 0.5)
    return tmp_path


def finish(root, predicted, accuracy):
    """Write what train and evaluate write."""
    evaluate(root, [("a", "test", "cat", predicted, 0.1)])
    record(root, accuracy)
    write(root / TRAINED / "labels.json", [predicted])
    (root / "dvc.lock").write_text(LOCK)


def start(root):
    """Delete what DVC deletes before train and evaluate."""
    shutil.rmtree(root / TRAINED)
    shutil.rmtree(root / "artifacts/evaluate")
    shutil.rmtree(root / "plots/evaluate")
    (root / "metrics/evaluate.json").unlink()


def test_a_run_changes_nothing_on_the_page_until_it_has_new_results(root):
    shown = Overview(root)
    shown.update(0)
    before = shown.content
    assert not before["model"]["is_kept"]
    start(root)
    for page in (shown, Overview(root)):  # also another page, after this one was killed
        page.update(0)
        assert page.content["model"] == before["model"] | {"is_kept": True}
        assert page.content["history"] == before["history"]
    assert (find_results(root) / TRAINED / "labels.json").is_file()
    finish(root, "cat", 0.6)
    shown.update(0)
    assert shown.content["model"]["accuracy"]["accuracy"] == 0.6
    assert find_results(root) == root
    (kept,) = find_kept(root).parent.iterdir()
    assert (kept / TRAINED / "labels.json").read_text() == '["cat"]'


def test_results_of_two_runs_are_not_kept_as_one(root):
    # Another stage that is outdated first hides nothing.
    before = """  split: {outs: [{path: artifacts/split, md5: ee}]}
  tune: {deps: [{path: artifacts/split, md5: ff}]}
"""
    torn = LOCK.replace("ab}]}\n  eval", "cd}]}\n  eval")
    for lock in (torn, torn + before):
        (root / "dvc.lock").write_text(lock)
        keep_results(root)
        assert find_kept(root) is None
    (root / "dvc.lock").write_text(LOCK)
    keep_results(root)
    assert find_kept(root)


def test_nothing_is_kept_while_a_run_writes(root, monkeypatch):
    monkeypatch.setattr(overview, "is_dvc_writing", lambda _: True)
    shown = Overview(root)
    shown.update(0)
    assert find_kept(root) is None
    monkeypatch.undo()
    shown.update(0)
    assert find_kept(root)
