"""Malformed and hostile heads are reported at limited cost, and are not mistaken for a failed gate."""

import contextlib
import json
import shutil
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.core.repository.documents import MalformedError, read_stages, read_yaml
from pixmill.experiments.compare.untrusted import read_curves, read_metrics, read_table
from tests.command import run_pixmill
from tests.experiments.compare.hostile import (
    HARMLESS,
    MALFORMED,
    METRICS,
    begin,
    commit_head,
    metrics,
    non_utf8,
    of_rows,
    parquet,
    predictions,
)
from tests.experiments.compare.projects import write
from tests.version_control import git

KINDS = {
    **dict.fromkeys(("id", "split", "label", "predicted"), "key"),
    "loss": "number",
    "p_*": "number",
    "unlike": "flag?",
}

SECONDS = 30
"""Generous limit that still detects a hang."""

MOST = 1_500_000
"""Memory limit of a comparison in KiB."""


@pytest.fixture(scope="module")
def attacked(history, tmp_path_factory):
    """A project on ``main`` to which heads are added."""
    root = shutil.copytree(history, tmp_path_factory.mktemp("attacked") / "project", symlinks=True)
    begin(root)
    return root


@pytest.fixture
def compare(attacked, monkeypatch, capsys):
    """Compare ``main`` with a head of these files; return the exit code and the output."""
    monkeypatch.chdir(attacked)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def run(files, *words):
        commit_head(
            attacked,
            "head",
            {path: made() if path and callable(made) else made for path, made in files.items()},
        )
        start = time.process_time()
        with limited_growth():
            code = run_pixmill("compare", "main", "head", "--gate", *words)
        assert time.process_time() - start < SECONDS
        return code, *capsys.readouterr()

    return run


@contextlib.contextmanager
def limited_growth(most=MOST):
    """Assert that this process grows by less than this limit in KiB."""
    if sys.platform != "linux":
        yield
        return
    Path("/proc/self/clear_refs").write_text("5")  # the peak is from now on
    before = memory("VmRSS")
    yield
    assert memory("VmHWM") - before < most


def memory(name):
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)
    )
    return int(line.split()[1])


@pytest.mark.parametrize("name", [*MALFORMED])
def test_malformed_head_exits_2(compare, name):
    code, out, err = compare(MALFORMED[name])
    assert code == 2
    assert "\nMissing\n" in out
    assert "malformed: " in err
    assert [name for name in MALFORMED[name] if name not in err] == []
    assert "Traceback" not in err
    assert "\x1b" not in out + err


def test_unusual_head_is_compared(compare):
    code, out, err = compare(HARMLESS, "--json")
    assert code == 0, err
    assert json.loads(out)["head"]["name"] == "head"
    assert "malformed" not in err


def test_failed_gate_outranks_malformed_file(compare):
    bad = metrics(accuracy=0.1, accuracy_low=0.0, accuracy_high=0.2)
    assert compare({METRICS: bad, "params.yaml": "[]"})[0] == 1


def test_malformed_base_does_not_fail_the_head(attacked, compare, capsys):
    commit_head(attacked, "broken", {METRICS: "[1]"})
    assert run_pixmill("compare", "broken", "main", "--gate") == 0
    assert f"{METRICS} of broken is malformed" in capsys.readouterr().out


def test_workspace_has_the_same_limits(attacked, compare, capsys):
    write(attacked / METRICS, "[1]")
    assert run_pixmill("compare", "main", "--gate") == 2
    git(attacked, "checkout", "-q", "-f", "main")
    assert f"{METRICS} of workspace is malformed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (predictions()[:-30], "is broken"),
        (predictions(id=non_utf8()), "is broken"),
        (predictions(id=["x"] * 8), "lists an image twice"),
        (predictions(label=pa.array([None] * 8, pa.string())), "lacks values of label"),
        (predictions(loss=None), "lacks loss"),
        (predictions(label=[{"a": 1}] * 8), r"has struct<a: int64> in label, not texts"),
        (predictions(p_coat=["a"] * 8), r"has string in p_coat, not numbers"),
        (predictions(unlike=[2] * 8), r"has int64 in unlike, not true and false"),
        (of_rows(1_000_001), r"has too many rows \(1,000,001\)"),
    ],
)
def test_rejects_malformed_tables(content, message):
    with pytest.raises(MalformedError, match=message):
        read_table(content, KINDS)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
keys = (
    "schema",
    "stages",
    "a",
    "cmd",
    "deps",
    "outs",
    "params",
    "params.yaml",
    "path",
    "md5",
    "n",
    "threshold",
    "covered_accuracy",
    "per_class",
    "recall",
)
documents = st.recursive(
    values,
    lambda inner: (
        st.dictionaries(st.sampled_from((*keys, "accuracy", "accuracy_low")), inner, max_size=4)
        | st.lists(inner, max_size=2)
    ),
)


@given(documents)
def test_any_document_is_parsed_or_malformed(document):
    content = json.dumps(document).encode()
    for read in (
        read_metrics,
        read_stages,
        lambda text: read_stages(text, "data.dvc"),
        lambda text: read_yaml(text, "a"),
    ):
        with contextlib.suppress(MalformedError):
            assert isinstance(read(content), dict)


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_malformed(content):
    assert read_curves(content) is not None
    for read in (
        read_metrics,
        read_stages,
        lambda text: read_table(text, KINDS),
        lambda text: read_table(b"PAR1" + text + b"PAR1", KINDS),
    ):
        with contextlib.suppress(MalformedError):
            read(content)


columns = st.lists(st.none() | st.text(max_size=3), min_size=4, max_size=4) | st.sampled_from(
    (
        [0.5] * 4,
        [1, 2, 3, 4],
        [True] * 4,
        [b"x"] * 4,
        [[1]] * 4,
        [{"a": 1}] * 4,
        [float("nan")] * 4,
        [None] * 4,
        list("abcd"),
    )
)


@given(
    st.dictionaries(st.sampled_from((*KINDS, "p_coat", "p_a.b", "x", "")), columns),
    st.sampled_from(("1.0", "2.0")),
    st.sampled_from(("none", "zstd", "snappy")),
    st.booleans(),
)
def test_any_schema_is_converted_or_malformed(made, version, compression, dictionary):
    content = parquet(
        made, data_page_version=version, compression=compression, use_dictionary=dictionary
    )
    with contextlib.suppress(MalformedError):
        table = read_table(content, KINDS)
        known = {name for name in made if name in KINDS or name.startswith("p_")}
        assert {*KINDS} - {"p_*", "unlike"} <= {*table.columns} == known
        assert list(table["id"]) == made["id"]


@given(st.integers(0, 1900), st.integers(0, 255))
def test_corrupt_byte_is_parsed_or_malformed(place, byte):
    content = bytearray(predictions())
    content[-1 - place % len(content)] = byte
    with contextlib.suppress(MalformedError):
        read_table(bytes(content), KINDS)
