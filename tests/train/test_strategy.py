"""The environment names where a model is trained; what it cannot mean is refused with what to do."""

from __future__ import annotations

import json

import pytest

from pixmill.errors import TrainError
from pixmill.params import TrainParams
from pixmill.train.strategy import choose_strategy, is_chief

TWO = {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}


def environ(cluster=None, kind="worker", index=0):
    config = json.dumps({"cluster": cluster or TWO, "task": {"type": kind, "index": index}})
    return {"PIXMILL_STRATEGY": "multi_worker", "TF_CONFIG": config}


@pytest.mark.parametrize("told", [{}, {"PIXMILL_STRATEGY": ""}, {"PIXMILL_STRATEGY": "auto"}])
def test_without_several_gpus_it_is_one_device(told, monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: [])
    assert choose_strategy(told).num_replicas_in_sync == 1
    assert is_chief(told)


def test_one_is_one():
    assert choose_strategy({"PIXMILL_STRATEGY": "one"}).num_replicas_in_sync == 1


def test_a_cluster_in_the_environment_means_nothing_unless_it_is_asked_for():
    told = environ(index=1) | {"PIXMILL_STRATEGY": "auto"}
    assert is_chief(told)


@pytest.mark.parametrize("ask", [choose_strategy, is_chief])
def test_an_unknown_name_is_refused(ask):
    with pytest.raises(TrainError, match="expected auto, one, mirrored or multi_worker, received 'horovod'") as caught:
        ask({"PIXMILL_STRATEGY": "horovod"})
    assert caught.value.next == "unset PIXMILL_STRATEGY, then: dvc repro train"


def test_mirrored_needs_gpus(monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: [])
    with pytest.raises(TrainError, match="needs at least two GPUs; TensorFlow sees 0 here"):
        choose_strategy({"PIXMILL_STRATEGY": "mirrored"})


@pytest.mark.parametrize(
    "config",
    [
        "",
        "{",
        "[]",
        "{}",
        json.dumps({"cluster": TWO}),
        json.dumps({"cluster": TWO, "task": {"type": "worker", "index": 2}}),
        json.dumps({"cluster": TWO, "task": {"type": "worker", "index": -1}}),
        json.dumps({"cluster": TWO, "task": {"type": "worker", "index": "0"}}),
        json.dumps({"cluster": TWO, "task": {"type": "chief", "index": 0}}),
        json.dumps({"cluster": TWO, "task": {"type": "ps", "index": 0}}),
        json.dumps({"cluster": {"worker": "127.0.0.1:1"}, "task": {"type": "worker", "index": 0}}),
    ],
)
@pytest.mark.parametrize("ask", [choose_strategy, is_chief])
def test_several_processes_need_to_know_of_each_other(ask, config):
    with pytest.raises(TrainError, match="needs TF_CONFIG, JSON that lists all processes") as caught:
        ask({"PIXMILL_STRATEGY": "multi_worker", "TF_CONFIG": config})
    assert caught.value.next.startswith("export TF_CONFIG='{")


@pytest.mark.parametrize(
    ("told", "chief"),
    [
        (environ(index=0), True),
        (environ(index=1), False),
        (environ(TWO | {"chief": ["127.0.0.1:3"]}, "chief"), True),
        (environ(TWO | {"chief": ["127.0.0.1:3"]}, "worker", 0), False),
    ],
)
def test_one_process_alone_writes_outputs(told, chief):
    assert is_chief(told) is chief


@pytest.mark.parametrize("change", [{"minutes": 1.0}, {"precision": "auto"}])
def test_several_processes_decide_nothing_by_a_clock(change):
    with pytest.raises(TrainError, match="is not for several processes"):
        choose_strategy(environ(index=0), params=TrainParams(**change))
