"""Contract tests of plugins, for the tests of a project: one function per kind of plugin.

Each raises an ``AssertionError`` that says what Pixmill expects::

    from pathlib import Path

    from pets.scrape.archive import Archive
    from pixmill.testing import check_source

    def test_archive():
        check_source(Archive(Path()), "cat")
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from pixmill.core.expectations import Table, run_checks
from pixmill.core.params import TrainParams
from pixmill.scrape.sources import Candidate, Fetched, LocalSource, Query, Refused, is_local
from pixmill.scrape.sources.source_list import find_fault
from pixmill.validate import Check

__all__ = ["check_augmentation", "check_backbone", "check_checks", "check_source"]

_MOST_CANDIDATES = 20
"""Candidates of a query that are tested."""

_SIDE = 64


def check_source(source: Any, label: str, texts: Sequence[str] = ()) -> None:
    """Test a source of images; without network access, only local sources are searched.

    A source answers without changing: equal queries give equal candidates, in the order of their
    ranks, and a file above the limit of bytes is refused.

    Args:
        source: The plugin's class, called with the project's folder.
        label: A class for which it has images.
        texts: Search texts, as in ``scrape.queries``. Default: the label.
    """
    fault = find_fault(source)
    _require(fault is None, fault)
    _require(isinstance(source.fingerprint(), str), "fingerprint: expected a text")
    queries = source.queries(label, list(texts) or [label])
    _require(bool(queries), f"queries: expected at least one for {label!r}, received none")
    for query in queries:
        _require(isinstance(query, Query), f"queries: expected queries, received {query!r}")
        _require(query.label == label, f"queries: expected the label {label!r}, received {query}")
    if is_local(source):
        for query in queries:
            _check_local_search(source, query)


def _check_local_search(source: LocalSource, query: Query) -> None:
    search = source.search(query, None)  # type: ignore[arg-type]  # Local sources need no network.
    _require(isinstance(search, Iterator), f"search: expected an iterator, received {search!r}")
    found = list(islice(search, _MOST_CANDIDATES))
    _require(bool(found), f"search: expected candidates for {query}, received none")
    for candidate in found:
        is_valid = isinstance(candidate, Candidate) and candidate.label == query.label
        _require(is_valid, f"search: expected candidates of {query.label!r}, received {candidate}")
    ranks = [candidate.rank for candidate in found]
    _require(ranks == sorted(set(ranks)), f"search: expected ascending ranks, received {ranks}")
    again = list(islice(source.search(query, None), _MOST_CANDIDATES))  # type: ignore[arg-type]
    _require(again == found, "search: expected the same candidates when searched again")
    for candidate in found:
        address = candidate.image_url
        if address is None:
            continue
        for limit in (1, 1 << 30):
            answer = source.read(address, max_bytes=limit)
            expected = f"read: expected Fetched or Refused of {address}, received {answer!r}"
            _require(isinstance(answer, Fetched | Refused), expected)
            if isinstance(answer, Fetched):
                size = len(answer.content)
                _require(size <= limit, f"read: expected at most {limit} bytes, received {size}")


def check_checks(
    function: Callable[[pd.DataFrame, Sequence[str]], Any],
    manifest: pd.DataFrame,
    classes: Sequence[str],
) -> None:
    """Test checks: Great Expectations computes them, and the manifest stays as it is.

    Args:
        function: The plugin.
        manifest: Some rows of ``artifacts/validate/manifest.parquet``.
        classes: The classes of ``params.yaml``.
    """
    before = manifest.copy()
    checks = function(manifest, tuple(classes))
    _require(manifest.equals(before), "expected the manifest unchanged")
    _require(
        isinstance(checks, list | tuple) and all(isinstance(check, Check) for check in checks),
        f"expected a list of pixmill.validate.Check, received {checks!r}",
    )
    own = [check for check in checks if isinstance(check.table, Table) or check.table == "manifest"]
    run_checks(own, {"manifest": Table(manifest)})


def check_augmentation(function: Callable[[Any, Any], Any]) -> None:
    """Test an augmentation: float32 of the same shape, finite, equal for equal seeds, in a graph.

    Args:
        function: The plugin.
    """
    from pixmill.models.augmentation import find_fault as find_fault_of_output
    from pixmill.models.tensorflow import tf

    _fix_threads()

    @tf.function(
        autograph=False, input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32)]
    )  # type: ignore[untyped-decorator]
    def augment(pixels: Any) -> Any:
        output = function(pixels, tf.constant([1, 2], tf.int64))
        fault = find_fault_of_output(output, pixels)
        _require(fault is None, fault)
        return output

    pixels = np.random.default_rng(0).uniform(0, 255, (3, _SIDE, _SIDE, 3)).astype(np.float32)
    output = augment(pixels).numpy()
    shape = output.shape
    _require(shape == pixels.shape, f"expected the shape {pixels.shape}, received {shape}")
    _require(bool(np.isfinite(output).all()), "expected finite pixels")
    again = augment(pixels).numpy()
    _require(np.array_equal(output, again), "expected equal pixels for equal seeds")


def check_backbone(function: Callable[[Any], Any], *, side: int = _SIDE) -> None:
    """Test a backbone: float32 features from layers that load without the plugin's code.

    Args:
        function: The plugin.
        side: Side of the images in pixels.
    """
    from pixmill.models.backbones import graph_of
    from pixmill.models.tensorflow import keras

    _fix_threads()
    weights = []
    for _ in range(2):
        pixels = keras.Input((side, side, 3))
        graph = graph_of(function, pixels, pixels, name="plugin", seed=7)
        _require(not isinstance(graph, str), graph)
        weights.append(graph.get_weights())  # type: ignore[union-attr]
    _require(
        all(np.array_equal(one, other) for one, other in zip(*weights, strict=True)),
        "expected equal weights whenever it is built",
    )


def _fix_threads() -> None:
    """Compute as a training does, so that the same session of tests may also train."""
    from pixmill.models.determinism import fix_threads

    # TensorFlow may have computed with another number already.
    with contextlib.suppress(RuntimeError):
        fix_threads(TrainParams().threads)


def _require(condition: bool, message: Any) -> None:
    if not condition:
        raise AssertionError(message)
