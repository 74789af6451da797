"""Each benchmark runs in its smallest size, in which the numbers mean nothing."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

KEYS = {
    "cross_validation": {
        f"{what}_3_12_{factor}"
        for what in ("accuracy", "equal", "better")
        for factor in ("1", "1.25", "1.5")
    },
    "doubtful": {
        f"{labels}{what}"
        for labels in ("", "several_labels_")
        for what in ("found", "vs_cleanlab", "vs_self_confidence", "vs_confident_learning")
    },
    "download": {"vs_icrawler", "vs_img2dataset", "memory_vs_icrawler", "memory_vs_img2dataset"},
    "labelling": {"bundled_accuracy_vs_all", "bundled_actions_vs_random", "bundled_covers"},
    "manifest": {
        "duplicates_exponent",
        "more_exponent",
        "gate_exponent",
        "split_exponent",
        "memory_under_4_gb",
    },
    "packing": {
        "bytes_vs_lz4",
        "bytes_vs_png",
        "bytes_vs_webp",
        "time_vs_source_size",
        "features_56_vs_raw",
    },
    "presets": {"dinov2_small"},
    "salts": {f"{n}_{kind}" for n in (5, 20, 100) for kind in ("independent", "correlated")},
    "scale": {
        "ray_vs_pool",
        "ray_vs_pool_by_workers",
        "validate_ray_time_growth",
        "validate_ray_driver_kb_an_image",
        "split_ray_time_growth",
        "split_ray_driver_kb_an_image",
        "head_mb",
    },
    "serve": {"vs_mlflow_serve", "vs_flask_keras", "vs_bare_runtime", "vs_mlflow_serve_classifier"},
    "several_labels": {
        f"{data}: {what}"
        for data in ("synthetic", "bundled images")
        for what in (
            "seconds",
            "mean_average_precision gained",
            "log_loss gained",
            "average precision lost, 40 % unknown",
            "average precision lost, 40 % as no",
        )
    },
    "small_sets": {"bundled_3_12"},
    "sure_labels": {"pixmill", "each side at 5 %", "both sides together at 5 %"},
    "temperature": {
        "lowest log-loss",
        "lowest log-loss, if significant",
        "prior alone",
        "interval alone",
        "pixmill",
    },
    "thresholds": {
        "every confidence, 0 if all pass",
        "every confidence",
        "every confidence from the target on",
        "pixmill",
    },
    "train": {
        "vs_image_data_generator",
        "vs_compute_limit",
        "head_vs_fine_tuning",
        "features_vs_tensorflow",
        "evaluate_vs_train",
        "float32_vs_image_data_generator",
        "vs_image_dataset_from_directory",
        "float32_vs_image_dataset_from_directory",
        "bfloat16_limit_vs_float32_limit",
    },
    "validate": {
        "vs_cleanvision",
        "vs_imagehash",
        "vs_decode",
        "large_vs_cleanvision",
        "large_vs_imagehash",
        "large_vs_decode",
    },
    # Last: meanwhile, the tests of another file create the project for these.
    "compare": {"vs_git_and_dvc_diff", "vs_git_and_dvc_diff_cpu"},
    "predict": {"vs_keras_predict_loop", "vs_limit", "vs_keras_predict_batches"},
    "prior": {
        "lower loss",
        "promise kept",
        "promise kept before",
        "lower loss, project",
        "others found",
        "others found, false",
    },
    "log": {
        "without_log",
        "without_log_cpu",
        "bytes_a_row",
        "bytes_a_row_5_classes",
        "bytes_a_row_50_classes",
    },
    "watch": {
        "20 points in 60, share of the best",
        "10 points in 200, share of the best",
        "false alarms of labels",
        "wrong choice of a model",
        "labels of random labelling",
        "accuracy covered, simulated",
        "shares covered",
        "found, fall of 10 points or more",
        "found, nobody tuned on",
        "named as shares",
        "others named as shares",
        "accuracy covered",
        "years with a false alarm",
        "looks in parts are the same",
        "years, test of the confidence",
        "years, Evidently's rule",
        "Evidently's rule is its own",
    },
}


def test_all_benchmarks_are_tested(repository) -> None:
    files = (repository / "benchmarks").glob("*.py")
    assert {
        path.stem for path in files if re.search(r"^ +make bench-", path.read_text(), re.MULTILINE)
    } == {*KEYS}


_INTERPRETER = """
import contextlib, io, json, os, runpy, sys, traceback

from pixmill.models.determinism import fix_threads
from pixmill.models.tensorflow import tf

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
# TensorFlow keeps the number with which it computes first: another one fails in any order.
fix_threads(2)
tf.zeros(1)
environ, path, modules = dict(os.environ), list(sys.path), set(sys.modules)
for line in sys.stdin:
    benchmark, given = json.loads(line)
    os.environ.update(given)
    output, error = io.StringIO(), None
    try:
        with contextlib.redirect_stdout(output):
            runpy.run_path(benchmark, run_name="__main__")
    except BaseException:
        error = traceback.format_exc()
    print(json.dumps([output.getvalue(), error]), file=answers, flush=True)
    os.environ.clear()
    os.environ.update(environ)
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(os.path.dirname(benchmark)):
            del sys.modules[name]
"""
"""Script that runs the benchmarks named on standard input, one after the other, in one interpreter.
"""


@pytest.fixture(scope="module")
def run() -> Iterator[Callable[..., tuple[str, str | None]]]:
    """Run a benchmark; return its output and the traceback of an error."""
    command = [sys.executable, "-c", _INTERPRETER]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def one(*named: Any) -> tuple[str, str | None]:
            print(json.dumps(named), file=process.stdin, flush=True)
            return tuple(json.loads(process.stdout.readline()))

        try:
            yield one
        finally:
            process.kill()


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.services if name == "scale" else pytest.mark.slow)
        for name in KEYS
    ],
)
def test_last_line_has_the_ratios(name, run, repository, request) -> None:
    environ = {"QUICK": "tiny"}
    if name in {"compare", "predict", "prior", "log", "watch"}:
        environ["PROJECT"] = str(request.getfixturevalue("finished").path)
    output, error = run(str(repository / "benchmarks" / f"{name}.py"), environ)
    assert error is None, output + error
    assert json.loads(output.splitlines()[-1]).keys() == KEYS[name]
