"""Fixtures that every test may use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from pixmill.params import Params, parse_params

REPOSITORY = Path(__file__).resolve().parent.parent

# Before any library reads them: nothing calls home from a test, and nothing reaches a person's own MLflow server.
for name in ("DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY", "SE_AVOID_STATS", "SE_OFFLINE"):
    os.environ[name] = "true"
os.environ["GX_ANALYTICS_ENABLED"] = "false"
os.environ["DVC_NO_ANALYTICS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
for name in [name for name in os.environ if name.startswith(("MLFLOW_RUN", "MLFLOW_EXP", "MLFLOW_TRACKING"))]:
    del os.environ[name]
for name in ("DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV"):
    os.environ.pop(name, None)


# A shell that starts the tests in the background has them ignore Ctrl-C, and so would each process that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Shared machines are slow now and then: a property that holds late still holds.
hypothesis.settings.register_profile("pixmill", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("pixmill")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what this system cannot run, and say so."""
    if sys.platform == "linux":
        return
    left_out = [item for item in items if item.get_closest_marker("linux")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
        print(f"\n{len(left_out)} tests left out: they need what only Linux has")  # noqa: T201


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Undo what a test does to the environment: `mlflow.set_tracking_uri` writes there, which others would obey."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder of this repository."""
    return REPOSITORY


@pytest.fixture(scope="session")
def bundled_pictures(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled pictures as ``<class>/<file>``: from ``data/``, or made anew where a project has its own there."""
    from pixmill.bundled import make_data
    from pixmill.bundled.collection import FASHION_MNIST
    from pixmill.bundled.folder import folder_md5

    if folder_md5(repository / "data") == FASHION_MNIST.data_md5:
        return repository / "data"
    root = tmp_path_factory.mktemp("bundled")
    make_data(root, report=lambda line: sys.stderr.write(f"{line}\n"))
    return root / "data"


@pytest.fixture
def start() -> Iterator[Callable[..., tuple[subprocess.Popen[str], str]]]:
    """Start Python on a script, and return the process with the first line that it prints; it ends with the test."""
    processes: list[subprocess.Popen[str]] = []

    def start_script(script: str, *arguments: str) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    yield start_script
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def params() -> Params:
    """The parameters as committed."""
    return parse_params((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
