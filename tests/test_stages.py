"""What all stages have in common: how they begin after a kill, and how they end when a person ends them."""

import os
import signal
import subprocess
import sys

import pytest

from pixmill.errors import PixmillError
from stages import run


@pytest.mark.linux
def test_ctrl_c_in_the_imports_of_a_stage_shows_no_traceback(repository, tmp_path):
    """A stage whose first import is interrupted stands for those that import for seconds."""
    (tmp_path / "stages").symlink_to(repository / "stages")
    (tmp_path / "src").symlink_to(repository / "src")
    (tmp_path / "pandas.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    environ = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "stages.split"], cwd=tmp_path, env=environ, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


def test_what_a_killed_run_left_half_written_is_gone_before_the_next(repository, tmp_path, monkeypatch):
    """DVC would hash it as a part of the artifact, and Git would offer it among the metrics."""
    (tmp_path / "params.yaml").write_bytes((repository / "params.yaml").read_bytes())
    own = (
        "artifacts/split/train/.part-1-ab-00000.bin",
        "plots/split/.part-1-ab-counts.csv",
        "reports/.part-1-ab-split.html",
        "metrics/.part-1-ab-split.json",
    )
    others = (
        "artifacts/train/.part-1-ab-model.keras",
        "reports/.part-1-ab-train.html",
        "metrics/.part-1-ab-train.json",
        "reports/split.html",
    )
    for name in (*own, *others):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)

    def main(workspace, params):
        raise PixmillError("it has begun", next="nothing")

    with pytest.raises(SystemExit, match="it has begun"):
        run("split", main)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*") if path.is_file()}
    assert left - {"params.yaml"} >= set(others)
    assert left.isdisjoint(own)
