"""TensorFlow comes without noise, and with all of it where it does not come."""

from __future__ import annotations

import json
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


def test_an_import_that_a_person_ends_says_nothing(tmp_path):
    (tmp_path / "tensorflow.py").write_text("import os; os.write(2, b'no such library'); raise KeyboardInterrupt")
    end = "try: fix_threads(2)\nexcept KeyboardInterrupt: os.write(2, b'ended')"
    done = run(f"import os; from pixmill.models import fix_threads\n{end}", PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "ended")


def test_a_person_s_own_settings_of_keras_do_not_change_the_model(tmp_path):
    settings = {"backend": "jax", "floatx": "float16", "image_data_format": "channels_first", "epsilon": 0.1}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    done = run(
        "from pixmill.models import fix_threads; fix_threads(2)\nfrom keras import config\n"
        "print(config.backend(), config.floatx(), config.image_data_format(), config.epsilon())",
        KERAS_HOME=str(tmp_path),
        KERAS_BACKEND="jax",
    )
    assert (done.stderr, done.stdout) == ("", "tensorflow float32 channels_last 1e-07\n")
