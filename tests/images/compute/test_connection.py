"""PIXMILL_COMPUTE is validated, and a missing cluster is reported soon."""

import sys
import time

import pytest

from pixmill.core.errors import PixmillError
from pixmill.core.install.origin import install_command
from pixmill.images.compute import map_batches
from pixmill.images.compute.cluster import cluster_address
from tests.images.compute.passes import doubled
from tests.ports import unused_port


@pytest.mark.parametrize(
    ("value", "address"),
    [
        (None, None),
        ("", None),
        ("local", None),
        ("ray://head:10001", "ray://head:10001"),
        ("ray://10.0.0.1:1", ...),
    ],
)
def test_variable_selects_local_or_a_cluster(value, address) -> None:
    environ = {} if value is None else {"PIXMILL_COMPUTE": value}
    assert cluster_address(environ) == (value if address is ... else address)


@pytest.mark.parametrize("value", ["auto", "ray://head", "ray:// :1", "http://head:1"])
def test_invalid_value_is_refused(value) -> None:
    with pytest.raises(
        PixmillError, match="PIXMILL_COMPUTE: expected local or ray://HOST:PORT"
    ) as caught:
        cluster_address({"PIXMILL_COMPUTE": value})
    assert f"received '{value}'" in caught.value.message
    assert "unset PIXMILL_COMPUTE" in str(caught.value.next)


def test_single_batches_and_local_passes_need_no_cluster(monkeypatch) -> None:
    monkeypatch.setenv("PIXMILL_COMPUTE", "ray://127.0.0.1:9")
    for batch_size, local in ((9, False), (2, True)):
        assert list(map_batches(doubled, range(9), batch_size=batch_size, local=local)) == [
            2 * row for row in range(9)
        ]


def test_missing_cluster_is_reported_at_once(monkeypatch) -> None:
    pytest.importorskip("ray")
    address = f"ray://127.0.0.1:{unused_port()}"
    monkeypatch.setenv("PIXMILL_COMPUTE", address)
    began = time.monotonic()
    with pytest.raises(PixmillError, match=f"the Ray cluster {address} does not answer: .*refused"):
        list(map_batches(doubled, range(9), batch_size=2))
    assert time.monotonic() - began < 10


def test_missing_ray_is_reported_with_the_install_command(monkeypatch) -> None:
    monkeypatch.setenv("PIXMILL_COMPUTE", "ray://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(PixmillError, match="needs the package ray") as caught:
        list(map_batches(doubled, range(9), batch_size=2))
    assert caught.value.next == install_command("ray")
