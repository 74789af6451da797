"""Passes on a Ray cluster, with a fake client that runs tasks locally."""

import functools
import pickle
import traceback
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pixmill.core.errors import PixmillError
from pixmill.images.compute import RowLimits, map_batches
from pixmill.images.compute.cluster import NodePass, run_batch, versions
from pixmill.validate.survey import survey
from tests.images.compute.passes import doubled
from tests.split.conftest import write_project

exceptions = pytest.importorskip("ray.exceptions")

pytestmark = pytest.mark.linux

GUARD: dict[str, Any] = {
    "limits": RowLimits(seconds=1, memory=1 << 28),
    "lost": lambda row, loss: (loss, row[1]),
}


class Ray:
    """A client whose tasks run when their results are requested."""

    exceptions = exceptions

    def __init__(self) -> None:
        self.connected = True
        self.raised = None
        self.sent = []
        self.cancelled = []
        self.util = SimpleNamespace(
            client=SimpleNamespace(ray=SimpleNamespace(is_connected=lambda: self.connected))
        )

    def cluster_resources(self):
        return {"CPU": 2.0}

    def put(self, content):
        return content

    def remote(self, **_):
        return lambda function: SimpleNamespace(remote=functools.partial(self._send, function))

    def _send(self, function, *arguments):
        self.sent.append(arguments)
        return functools.partial(function, *arguments)

    def get(self, task):
        if self.raised is not None:
            raise self.raised
        try:
            return task()
        except Exception as error:  # noqa: BLE001 (as Ray does)
            raise exceptions.RayTaskError(
                "run_batch", traceback.format_exc(), error
            ).as_instanceof_cause() from None

    def cancel(self, task):
        self.cancelled.append(task)


@pytest.fixture
def ray(monkeypatch):
    client = Ray()
    monkeypatch.setenv("PIXMILL_COMPUTE", "ray://head.test:10001")
    monkeypatch.setattr("pixmill.images.compute.cluster.connect", lambda _: client)
    return client


def test_images_are_sent_as_bytes_and_missing_ones_are_rows(ray, monkeypatch, tmp_path) -> None:
    project = write_project(tmp_path)
    rows = project.manifest[["id", "path"]].copy()
    rows.loc[len(rows)] = ["0" * 64, "images/00/gone.png"]
    rows.loc[len(rows)] = ["1" * 64, "images"]
    there = survey(rows, project.images, max_pixels=10_000, limits=GUARD["limits"])
    ((_, _, packed),) = ray.sent
    assert not any(str(tmp_path).encode() in row for row in packed[:-2])
    monkeypatch.setenv("PIXMILL_COMPUTE", "local")
    here = survey(rows, project.images, max_pixels=10_000, limits=GUARD["limits"])
    pd.testing.assert_frame_equal(here.table, there.table)
    np.testing.assert_array_equal(here.greys, there.greys)
    assert there.table["failure"].dropna().tolist() == ["missing_file", "not_a_file"]


def test_batches_are_limited_in_bytes_and_created_lazily(ray) -> None:
    taken = []

    def rows():
        for number in range(400):
            taken.append(number)
            yield number

    results = map_batches(
        doubled,
        rows(),
        limits=GUARD["limits"],
        lost=lambda *_: 0,
        carry=lambda _: np.zeros(3 << 20, np.uint8),
    )
    assert len(next(results)) == 3 << 20
    # Four batches for each of two CPUs.
    assert [len(packed) for *_, packed in ray.sent] == [3] * 8
    assert len(taken) <= 33 + 1


@pytest.mark.parametrize(
    ("connected", "raised", "message"),
    [
        (
            True,
            exceptions.NodeDiedError("gone"),
            r"doubled lost its process or node 5 times in the same batch: .*gone",
        ),
        (
            False,
            ConnectionError("closed"),
            r"the connection to the Ray cluster ray://head\.test:10001 is lost: closed",
        ),
    ],
)
def test_cluster_failures_name_the_next_step(ray, connected, raised, message) -> None:
    ray.connected = connected
    ray.raised = raised
    with pytest.raises(PixmillError, match=message) as caught:
        list(map_batches(doubled, range(9), batch_size=2))
    assert "run the same command again" in str(caught.value.next)


def test_ctrl_c_cancels_running_tasks(ray) -> None:
    ray.raised = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        list(map_batches(doubled, range(9), batch_size=2))
    assert len(ray.cancelled) == len(ray.sent) == 5


def test_node_with_other_versions_is_refused() -> None:
    found = versions(["pillow", "no-such-package"])
    assert found["no-such-package"] == "none"
    order = NodePass("doubled", pickle.dumps(doubled), None, found | {"pillow": "1.0"})
    with pytest.raises(
        PixmillError, match=f"other results: it has pillow {found['pillow']} instead of 1.0"
    ):
        run_batch("pass", pickle.dumps(order), [pickle.dumps(1)])
