"""What all stages have in common: how they end when a person ends them."""

import os
import signal
import subprocess
import sys

import pytest


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
