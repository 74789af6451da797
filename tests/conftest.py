"""Fixtures for all tests."""

import contextlib
import functools
import gc
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from pixmill.core.params import Params, parse_params
from pixmill.serve.export.html.runtime import missing_runtime, packed
from tests.browsing import open_chrome
from tests.firefox import PROGRAM
from tests.left_out import leave_out
from tests.made_once import make_once
from tests.tiny_project import tiny_project as tiny_project
from tests.wheel import build_package, copy_repository

REPOSITORY = Path(__file__).resolve().parent.parent

_PRINTED = pytest.StashKey[set[str]]()

# Set before any library reads them: tests send no telemetry, and never reach a user's MLflow
# server.
for name in ("DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY", "SE_AVOID_STATS", "SE_OFFLINE"):
    os.environ[name] = "true"
os.environ["GX_ANALYTICS_ENABLED"] = "false"
os.environ["DVC_NO_ANALYTICS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
for name in [
    name for name in os.environ if name.startswith(("MLFLOW_RUN", "MLFLOW_EXP", "MLFLOW_TRACKING"))
]:
    del os.environ[name]
for name in ("DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV"):
    os.environ.pop(name, None)


# A shell that starts the tests in the background makes them, and all their processes, ignore
# Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# TensorFlow, MLflow and Great Expectations keep many objects alive: garbage collection would take 5
# % of the time.
gc.set_threshold(50_000, 20, 20)

# Shared machines are slow at times: no deadlines, and no check for slow examples.
hypothesis.settings.register_profile(
    "pixmill",
    max_examples=10,
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("pixmill")


def pytest_collection_finish() -> None:
    """Exclude all imported objects from further garbage collections."""
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Collect garbage once, for its warnings; pytest would do so five times, a second each."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect tests that this system cannot run, and print why."""
    needs = [
        (_marked("linux"), lambda: sys.platform == "linux", "they require Linux"),
        (_marked("postgresql"), _has_postgresql, "PostgreSQL is not installed"),
        (_uses("postgresql_server"), _has_postgresql, "PostgreSQL is not installed"),
        (_uses("ray_nodes"), lambda: find_spec("ray"), "ray is not installed"),
        (_uses("s3_server"), lambda: find_spec("moto"), "moto is not installed"),
        (_uses("s3_server"), lambda: find_spec("s3fs"), "s3fs is not installed"),
        (_uses("ray_nodes"), _hides, "unshare -rm is not permitted"),
        (_uses("container"), lambda: _hides("-n"), "unshare -rmn is not permitted"),
        (_uses("remote_driver"), _has_remote_driver, "PIXMILL_BROWSER names no driver"),
        (_marked("qemu"), _has_qemu, "qemu-x86_64 (Debian: qemu-user) is not installed"),
        (_uses("litert_js"), lambda: not missing_runtime(), "LiteRT.js is missing (make runtime)"),
        (_marked("firefox"), lambda: _has_browser("firefox"), "Firefox is not installed"),
        (_uses("firefox"), lambda: PROGRAM, "Firefox is not installed"),
        (_uses("exiftool"), lambda: shutil.which("exiftool"), "exiftool is not installed"),
    ]
    for which, is_met, lack in needs:
        if any(map(which, items)) and not is_met():
            leave_out(config, items, which, lack)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their argument: processes, which must agree on ids, may make other bytes."""
    return argname if isinstance(val, bytes) else None


def _marked(name: str) -> Callable[[pytest.Item], bool]:
    return lambda item: item.get_closest_marker(name) is not None


def _uses(fixture: str) -> Callable[[pytest.Item], bool]:
    return lambda item: fixture in getattr(item, "fixturenames", ())


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Print once which tests the worker processes deselected."""
    for line in getattr(node, "workeroutput", {}).get("left_out", ()):
        if line not in (printed := node.config.stash.setdefault(_PRINTED, set())):
            printed.add(line)
            print(f"\n{line}")  # noqa: T201


def _has_postgresql() -> bool:
    return bool(
        shutil.which("postgres") or list(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    )


def _hides(*more: str) -> bool:
    words = ["unshare", "-rm", *more, "mount", "-t", "tmpfs", "none", "/tmp"]
    return (
        bool(shutil.which("unshare"))
        and not subprocess.run(words, capture_output=True, check=False).returncode
    )


def _has_qemu() -> bool:
    return bool(shutil.which("qemu-x86_64")) and platform.machine() == "x86_64"


def _has_remote_driver() -> bool:
    return _has_browser(os.environ.get("PIXMILL_BROWSER", ""))


def _has_browser(kind: str) -> bool:
    from pixmill.core.errors import BrowserError
    from pixmill.fetch.browser import find_browser

    try:
        find_browser(environ={**os.environ, "PIXMILL_BROWSER": kind})
    except BrowserError:
        return False
    return True


@pytest.fixture(scope="session", autouse=True)
def user_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Share converted backbones, 10 s each, between all test processes, and not with the user.

    The runtime of exported pages is that of the user.
    """
    runtime = packed()
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.getbasetemp().parent / "user-cache")
    packed().parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        packed().symlink_to(runtime)


@pytest.fixture(scope="session")
def litert_js() -> None:
    """LiteRT.js is there: tests that need it are deselected elsewhere."""


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Restore the environment, and MLflow's tracking URI, which would take precedence over it."""
    before = dict(os.environ)
    yield
    if mlflow := sys.modules.get("mlflow"):
        mlflow.set_tracking_uri(None)
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Reset BLAS to one thread, as Pixmill starts: threads of parallel processes busy-wait."""
    yield
    if "pixmill.models.determinism" in sys.modules:
        from threadpoolctl import threadpool_limits

        threadpool_limits(1, "blas")


@pytest.fixture
def one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limit passes over images to one process by default: each takes a second to start."""
    monkeypatch.setattr("pixmill.images.compute.batches.default_workers", lambda: 1)


@pytest.fixture
def plugin_imports(tmp_path: Path) -> Iterator[None]:
    """Unload the modules that a test imports from the project in ``tmp_path``."""
    before = list(sys.path)
    yield
    sys.path[:] = before
    packages = {path.name for path in (tmp_path / "src").iterdir()}
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        del sys.modules[name]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder of this repository."""
    return REPOSITORY


@pytest.fixture(scope="session")
def bundled_images(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled images as ``<class>/<file>``; a new copy if ``data/`` has other images."""
    from pixmill.core.repository.dvc import folder_md5
    from pixmill.dataset.bundled import DATA_MD5, make_data

    if folder_md5(repository / "data") == DATA_MD5:
        return repository / "data"
    root = tmp_path_factory.mktemp("bundled")
    make_data(root, report=lambda line: sys.stderr.write(f"{line}\n"))
    return root / "data"


@pytest.fixture(scope="session")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the working tree, in a folder with the sdist.

    The first test process that needs it builds it for all, in about 10 s.
    """

    def build(folder: Path) -> None:
        source = tmp_path_factory.mktemp("building") / "source"
        build_package(copy_repository(repository, source), folder)

    (found,) = make_once(tmp_path_factory, "built", build).glob("*.whl")
    return found


@pytest.fixture
def start() -> Iterator[Callable[..., tuple[subprocess.Popen[str], str]]]:
    """Start a Python script, killed after the test; return the process and its first line."""
    processes: list[subprocess.Popen[str]] = []

    def start_script(script: str, *arguments: str) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    yield start_script
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


_TINY = """
from keras import layers

def tiny(pixels):
    x = layers.Rescaling(1 / 255, name="scaled")(pixels)
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="first")(x)
    x = layers.ReLU(name="first_relu")(layers.BatchNormalization(name="first_bn")(x))
    x = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False, name="second")(x)
    return layers.ReLU(name="second_relu")(layers.BatchNormalization(name="second_bn")(x))
"""


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a project with the fast backbone ``plugin:tiny``; read-only."""
    root = tmp_path_factory.mktemp("tiny")
    (root / "src/tinynet/train").mkdir(parents=True)
    (root / "src/tinynet/train/nets.py").write_text(_TINY)
    registered = '[project.entry-points."pixmill.backbones"]\ntiny = "tinynet.train.nets:tiny"\n'
    (root / "pyproject.toml").write_text(registered)
    return root


@pytest.fixture
def params() -> Params:
    """The committed params."""
    return parse_params((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Function that returns the folder of a tiny KerasHub preset; read-only."""
    from pixmill.models.determinism import fix_threads
    from tests.presets import write_preset

    fix_threads(2)
    return functools.cache(
        lambda kind: make_once(
            tmp_path_factory, f"preset-{kind}", lambda folder: write_preset(folder, kind)
        )
    )


LABELS_OF_FOLDER = ("dark", "kurtā; long", "T-shirt & top")


def _train(folder: Path, task: str, labels: tuple[str, ...], calibration: dict[str, Any]) -> None:
    from pixmill.core.files.writing import write_json
    from pixmill.core.params import BlockParams, CnnParams, TrainParams
    from pixmill.heads import head_of
    from pixmill.models.litert_export import export_classifier
    from pixmill.models.model_folder import save_classifier
    from pixmill.models.networks import build_classifier

    cnn = CnnParams(blocks=(BlockParams(filters=4),), dense=())
    params = TrainParams(model="cnn", cnn=cnn)
    model = build_classifier(params, head=head_of(task), labels=len(labels), image_size=24)
    shape = {"image_size": 24, "aspect": "pad", "resize": "bicubic"}
    save_classifier(model, labels, folder, **shape, task=task)
    export_classifier(model, params, folder, scratch=folder)
    write_json(folder / "calibration.json", calibration)


@pytest.fixture(scope="session")
def labels_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As ``trained_folder``, of a model with several labels an image, one without a promise."""
    from pixmill.models.determinism import fix_threads

    calibration = {
        "temperatures": [0.1, 0.2, 0.1],
        "thresholds": [0.5, 0.3, 0.55],
        "sure_yes": [0.55, 0.6, None],
        "sure_no": [0.45, 0.2, None],
        "target_accuracy": 0.9,
        "novelty_limit": None,
    }
    fix_threads(2)
    return make_once(
        tmp_path_factory,
        "labels",
        lambda folder: _train(folder, "labels", LABELS_OF_FOLDER, calibration),
    )


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder like ``artifacts/train`` of a tiny calibrated classifier, converted once."""
    from pixmill.models.determinism import fix_threads

    labels = ("coat", "kurtā", "T-shirt & top")
    calibration = {"temperature": 0.4, "threshold": 0.45, "target_accuracy": 0.9}
    fix_threads(2)  # In each process, since most load the classifier.
    return make_once(
        tmp_path_factory,
        "trained",
        lambda folder: _train(folder, "one_label", labels, calibration),
    )


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database without runs, which takes seconds to create; tests copy it."""

    def make(folder: Path) -> None:
        from pixmill.tracking.store import connect

        connect(f"sqlite:///{folder}/mlflow.db").search_experiments()

    return make_once(tmp_path_factory, "database", make) / "mlflow.db"


@pytest.fixture(scope="session")
def exported(trained_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny classifier in one file, as ``pixmill export`` writes it."""
    from pixmill.models.exported import Exported, write_exported
    from pixmill.models.litert_export import fold_batch_norm
    from pixmill.models.model_folder import load_classifier

    def export(folder: Path) -> None:
        path = folder / "model.tflite"
        model, labels = load_classifier(trained_folder)
        fold_batch_norm(model).export(str(path), format="litert", verbose=False)
        about = Exported(tuple(labels), 24, "pad", "bicubic", None, 0.45, 0.9, "garments", "0" * 64)
        write_exported(path, path.read_bytes(), about)

    return make_once(tmp_path_factory, "exported", export) / "model.tflite"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real browser."""
    with open_chrome() as driver:
        yield driver
