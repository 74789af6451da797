"""data/ is added to DVC once, when DVC is free."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from pixmill.core.dvc import add_data, cache_folder, is_cached, is_restorable
from pixmill.core.errors import DataError


def dvc(root, *words):
    subprocess.run([sys.executable, "-m", "dvc", *words], cwd=root, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path):
    dvc(tmp_path, "init", "--no-scm", "-q")
    (tmp_path / "data/coat").mkdir(parents=True)
    (tmp_path / "data/coat/a.jpg").write_bytes(b"x")
    return tmp_path


def test_it_waits_while_a_stage_reads_the_images(project):
    held = {"write": {}, "read": {str(project / "data"): [{"pid": os.getpid(), "cmd": "dvc repro"}]}}
    lock = project / ".dvc/tmp/rwlock"
    lock.parent.mkdir(exist_ok=True)
    lock.write_text(json.dumps(held))
    with pytest.raises(DataError, match="DVC is busy: a stage is running"):
        add_data(project, patience=0)
    assert not (project / "data.dvc").exists()
    threading.Timer(0.5, lambda: lock.write_text("{}")).start()
    add_data(project, patience=30)
    assert "nfiles: 1" in (project / "data.dvc").read_text()
    cache = cache_folder(project)
    assert is_cached(cache, "9dd4e461268c8034f5c8564e155c67a6")
    assert not is_cached(cache, "0" * 32 + ".dir")


def test_another_failure_is_told_at_once(project):
    (project / "data.dvc").write_text("outs: [")
    begin = time.monotonic()
    with pytest.raises(DataError, match="`dvc add data` failed: "):
        add_data(project, patience=300)
    assert time.monotonic() - begin < 120


@pytest.mark.parametrize(
    "lock", [None, "stages: [", "schema: '2.0'\n", "stages:\n  train:\n    outs: [{path: artifacts/train}]\n"]
)
def test_what_no_lock_names_cannot_be_brought_back(tmp_path, lock):
    if lock is not None:
        (tmp_path / "dvc.lock").write_text(lock)
    assert not is_restorable(tmp_path, "artifacts/train")
