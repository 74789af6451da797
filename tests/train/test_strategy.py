"""The environment names where a model is trained; what it cannot mean is refused with what to do."""

import json

import pytest

from pixmill.core.errors import TrainError
from pixmill.core.params import TrainParams
from pixmill.train.strategy import choose_strategy, is_chief

PARAMS = TrainParams()
TWO = {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}
ASK = [lambda: choose_strategy(PARAMS), is_chief]


@pytest.fixture
def environ(monkeypatch):
    def set_to(strategy, config=None):
        monkeypatch.setenv("PIXMILL_STRATEGY", strategy)
        monkeypatch.setenv("TF_CONFIG", config or "")

    return set_to


def task(cluster=TWO, kind="worker", index=0):
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


@pytest.mark.parametrize("strategy", ["", "auto", "one"])
def test_without_several_gpus_it_is_one_device(environ, strategy, monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: [])
    # A cluster in the environment means nothing unless it is asked for.
    environ(strategy, task(index=1))
    assert choose_strategy(PARAMS).num_replicas_in_sync == 1
    assert is_chief()


@pytest.mark.parametrize("ask", ASK)
def test_an_unknown_name_is_refused(environ, ask):
    environ("horovod")
    with pytest.raises(TrainError, match="expected auto, one, mirrored or multi_worker, received 'horovod'") as caught:
        ask()
    assert caught.value.next == "unset PIXMILL_STRATEGY, then: dvc repro train"


def test_mirrored_needs_gpus(environ, monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: [])
    environ("mirrored")
    with pytest.raises(TrainError, match="needs at least two GPUs; TensorFlow detects 0"):
        choose_strategy(PARAMS)


@pytest.mark.parametrize(
    "config",
    [
        "",
        "{",
        "[]",
        "{}",
        json.dumps({"cluster": TWO}),
        task(index=2),
        task(index=-1),
        task(index="0"),
        task(kind="chief"),
        task(kind="ps"),
    ],
)
@pytest.mark.parametrize("ask", ASK)
def test_several_processes_need_to_know_of_each_other(environ, ask, config):
    environ("multi_worker", config)
    with pytest.raises(TrainError, match="needs TF_CONFIG, JSON that lists all processes") as caught:
        ask()
    assert caught.value.next.startswith("export TF_CONFIG='{")


@pytest.mark.parametrize(
    ("config", "chief"),
    [
        (task(index=0), True),
        (task(index=1), False),
        (task(TWO | {"chief": ["127.0.0.1:3"]}, "chief"), True),
        (task(TWO | {"chief": ["127.0.0.1:3"]}, "worker", 0), False),
    ],
)
def test_one_process_alone_writes_outputs(environ, config, chief):
    environ("multi_worker", config)
    assert is_chief() is chief


@pytest.mark.parametrize("change", [{"minutes": 1.0}, {"precision": "auto"}])
def test_several_processes_decide_nothing_by_a_clock(environ, change):
    environ("multi_worker", task())
    with pytest.raises(TrainError, match="do not work with several processes"):
        choose_strategy(TrainParams(**change))
