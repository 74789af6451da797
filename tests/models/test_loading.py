"""TensorFlow comes without noise, and with all of it where it does not come."""

from __future__ import annotations

import os
import subprocess
import sys


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )


def test_nothing_is_said_and_standard_error_is_back_afterwards():
    done = run(
        "import os; from pixmill.models import fix_threads; fix_threads(2)\n"
        "import keras; keras.ops.ones(3) + 1; os.write(2, b'heard')"
    )
    assert (done.returncode, done.stderr) == (0, "heard")


def test_an_import_that_fails_says_why(tmp_path):
    (tmp_path / "tensorflow.py").write_text("import os; os.write(2, b'no such library'); raise ImportError('broken')")
    done = run("from pixmill.models import fix_threads; fix_threads(2)", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert "no such library" in done.stderr
    assert "ImportError: broken" in done.stderr
