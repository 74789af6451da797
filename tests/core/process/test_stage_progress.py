"""Progress files of running and failed stages."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pixmill.core.errors import DataError
from pixmill.core.process import progress as stage_progress
from pixmill.core.process.progress import (
    Progress,
    begin,
    last_seconds,
    only_warnings,
    read_progress,
    reporting,
    track,
)


def test_it_is_there_while_the_stage_runs_and_gone_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with reporting("train", tmp_path, tmp_path / "progress"):
        (begun,) = read_progress(tmp_path / "progress")
        assert (begun.stage, begun.root, begun.pid, begun.what) == (
            "train",
            str(tmp_path),
            os.getpid(),
            "",
        )
        assert begun.is_running
        assert begun.describe() == ""
        assert abs(begun.since - time.time()) < 5
        begin("Load a library")
        assert read_progress(tmp_path / "progress")[0].describe() == "Load a library"
        with Progress("Decode", 1250) as bar:
            (now,) = read_progress(tmp_path / "progress")
            assert now.describe() == "Decode: 0 of 1,250 images"
            bar.advance(1, "best 3")
            bar.advance(1249, "best 4")
            (now,) = read_progress(tmp_path / "progress")
            assert now.describe() == "Decode: 1,250 of 1,250 images (best 4)"
            assert now.since == begun.since
        with only_warnings():
            begin("A part")
        assert read_progress(tmp_path / "progress") == [now]
        monkeypatch.setattr(stage_progress, "_WRITE_SECONDS", 0.0)
        assert list(track("ab", "Check", unit="fold")) == ["a", "b"]
        assert read_progress(tmp_path / "progress")[0].describe() == "Check: 2 folds"
    assert read_progress(tmp_path / "progress") == []
    assert last_seconds(tmp_path / "progress", "train") is not None
    assert last_seconds(tmp_path / "progress", "split") is None
    with Progress("Decode", 3) as bar:
        bar.advance(3)
    assert read_progress(tmp_path / "progress") == []


def test_work_that_goes_on_after_another_step_has_no_time_left_yet(tmp_path: Path) -> None:
    """Its rate is that since it went on."""
    with reporting("scrape", tmp_path, tmp_path / "progress"), Progress("Fetch", 300) as bar:
        bar.advance()
        bar.advance(149)
        begin("Gather hat")
        bar.advance()
        assert read_progress(tmp_path / "progress")[0].work_left(time.time()) is None


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        (DataError("no images", next="pixmill demo"), "no images\nNext: pixmill demo"),
        (KeyboardInterrupt(), "interrupted"),
        (SystemExit(143), "interrupted"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_a_stage_that_fails_leaves_why(tmp_path: Path, error: BaseException, failed: str) -> None:
    with pytest.raises(type(error)), reporting("train", tmp_path, tmp_path):
        raise error
    (left,) = read_progress(tmp_path)
    assert left.failed == failed
    assert not left.is_running
    with reporting("train", tmp_path, tmp_path):
        assert read_progress(tmp_path)[0].is_running
    assert read_progress(tmp_path) == []


def test_a_killed_stage_does_not_run(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from pixmill.core.process.progress import "
        "reporting\n"
        "with reporting('train', Path(sys.argv[1]), Path(sys.argv[1])): print('on', flush=True); "
        "time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert read_progress(tmp_path)[0].is_running
        child.send_signal(signal.SIGKILL)
    (left,) = read_progress(tmp_path)
    assert (left.is_running, left.failed) == (False, None)
