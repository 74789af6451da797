"""A cluster that PIXMILL_COMPUTE names is there, or the error says why not, soon and by name."""

import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from pixmill.compute import map_batches
from pixmill.compute.connection import _tell, cluster_address, refusal
from pixmill.core.errors import PixmillError
from pixmill.core.origin import install_command
from pixmill.doctor import Status
from pixmill.doctor.services import check_compute
from tests.compute.passes import doubled
from tests.ports import unused_port


@pytest.mark.parametrize(
    ("value", "address"),
    [(None, None), ("", None), ("local", None), ("ray://head:10001", "ray://head:10001"), ("ray://10.0.0.1:1", ...)],
)
def test_the_variable_names_this_machine_or_a_cluster(value, address) -> None:
    environ = {} if value is None else {"PIXMILL_COMPUTE": value}
    assert cluster_address(environ) == (value if address is ... else address)


@pytest.mark.parametrize("value", ["auto", "head:10001", "ray://head", "ray://head:port", "ray:// :1", "http://head:1"])
def test_another_value_is_refused_by_name(value) -> None:
    with pytest.raises(PixmillError, match="PIXMILL_COMPUTE: expected local or ray://HOST:PORT") as caught:
        cluster_address({"PIXMILL_COMPUTE": value})
    assert f"received '{value}'" in caught.value.message
    assert "unset PIXMILL_COMPUTE" in str(caught.value.next)


def test_a_pass_is_refused_before_it_starts_elsewhere(monkeypatch) -> None:
    monkeypatch.setenv("PIXMILL_COMPUTE", "clusterr")
    with pytest.raises(PixmillError, match="received 'clusterr'"):
        list(map_batches(doubled, range(9), batch_size=2))
    assert list(map_batches(doubled, range(9), batch_size=2, local=True)) == [2 * row for row in range(9)]
    (finding,) = check_compute(Path())
    assert finding.status is Status.BAD
    assert finding.next


def test_a_few_rows_need_no_cluster(monkeypatch) -> None:
    monkeypatch.setenv("PIXMILL_COMPUTE", "ray://127.0.0.1:9")
    assert list(map_batches(doubled, range(9), batch_size=9)) == [2 * row for row in range(9)]


def test_a_cluster_that_is_not_there_is_named_at_once(monkeypatch) -> None:
    address = f"ray://127.0.0.1:{unused_port()}"
    monkeypatch.setenv("PIXMILL_COMPUTE", address)
    began = time.monotonic()
    with pytest.raises(PixmillError, match=f"the Ray cluster {address} does not answer: .*refused"):
        list(map_batches(doubled, range(9), batch_size=2))
    assert time.monotonic() - began < 10


def test_a_host_that_nobody_knows_is_named(monkeypatch) -> None:
    monkeypatch.setenv("PIXMILL_COMPUTE", "ray://nowhere.invalid:10001")
    with pytest.raises(PixmillError, match=r"the Ray cluster ray://nowhere\.invalid:10001 does not answer"):
        list(map_batches(doubled, range(9), batch_size=2))


def test_without_ray_the_extra_is_named(monkeypatch) -> None:
    monkeypatch.setenv("PIXMILL_COMPUTE", "ray://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(PixmillError, match="needs the package ray") as caught:
        list(map_batches(doubled, range(9), batch_size=2))
    assert caught.value.next == install_command("ray")


def test_another_version_of_ray_or_python_is_named() -> None:
    from ray._private.utils import check_version_info

    with pytest.raises(RuntimeError) as raised:
        check_version_info({"ray_version": "2.1.0", "python_version": "3.9.7"}, "Ray Client")
    told = refusal("ray://head:10001", raised.value)
    assert told is not None
    assert told.message.startswith("ray://head:10001 runs Ray 2.1.0 on Python 3.9.7; this machine has Ray ")
    assert told.next == "pip install 'ray[client]==2.1.0' in an environment with Python 3.9"


def test_a_port_where_ray_does_not_answer_names_the_token() -> None:
    told = refusal("ray://head:10001", ConnectionError("ray client connection timeout"))
    assert told is not None
    assert told.message.startswith("ray://head:10001 accepts connections, but no Ray cluster answers")
    assert "RAY_AUTH_MODE=token" in str(told.next)


def test_only_the_end_of_a_connection_that_is_watched_is_not_told() -> None:
    told: list[threading.ExceptHookArgs] = []
    for text in ("Cannot monitor channel state: Channel closed!", "another"):
        error = ValueError(text)
        _tell(told.append, threading.ExceptHookArgs((ValueError, error, None, None)))
    assert [failed.exc_value.args for failed in told] == [("another",)]


def test_a_defect_is_no_refusal() -> None:
    from ray.exceptions import RayTaskError

    assert refusal("ray://head:10001", KeyError("x")) is None
    on_a_node = RayTaskError("begin", "", OSError(24, "Too many open files")).as_instanceof_cause()
    assert isinstance(on_a_node, OSError)
    assert refusal("ray://head:10001", on_a_node) is None
    assert refusal("ray://head:10001", socket.gaierror("unknown host")) is not None
