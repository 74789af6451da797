"""Where a model is trained: on one device, on all GPUs of this machine, or by several processes."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pixmill.errors import TrainError
from pixmill.models.loading import load_tensorflow
from pixmill.params import TrainParams

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["choose_strategy", "is_chief"]

_NAMES = ("auto", "one", "mirrored", "multi_worker")

_EXAMPLE = '{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 0}}'


def choose_strategy(
    environ: Mapping[str, str] = os.environ, *, params: TrainParams | None = None
) -> tf.distribute.Strategy:
    """Return the strategy that ``PIXMILL_STRATEGY`` names.

    ``one`` is one GPU, or the processor where there is none; ``mirrored`` all GPUs of this machine; ``multi_worker``
    the processes that ``TF_CONFIG`` lists, of which each must be started. ``auto`` is ``mirrored`` where there are
    several GPUs, else ``one``. Call it after :func:`pixmill.models.fix_threads` and before anything is computed.

    Args:
        environ: The environment; default: this process's.
        params: What is trained there; default: it is not looked at.

    Raises:
        TrainError: The variable names no strategy, or one that this machine, ``TF_CONFIG`` or the params do not allow.
    """
    name = _name(environ)
    load_tensorflow()
    import tensorflow as tf

    if name == "multi_worker":
        _task(environ)
        if params is not None:
            _refuse_clocks(params)
        if threading.current_thread() is threading.main_thread():
            # To wait for the others is TensorFlow's, where Python hears no Ctrl-C.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        return tf.distribute.MultiWorkerMirroredStrategy()
    gpus = len(tf.config.list_physical_devices("GPU"))
    if name == "mirrored" and gpus < 2:
        raise TrainError(
            f"PIXMILL_STRATEGY=mirrored needs at least two GPUs; TensorFlow sees {gpus} here",
            next="unset PIXMILL_STRATEGY, then: dvc repro train",
        )
    if name == "one" or gpus < 2:
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy()


def is_chief(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether this process writes outputs: of several, the first alone does.

    Args:
        environ: The environment; default: this process's.

    Raises:
        TrainError: As of :func:`choose_strategy`.
    """
    if _name(environ) != "multi_worker":
        return True
    cluster, kind, index = _task(environ)
    return kind == "chief" or ("chief" not in cluster and index == 0)


def _refuse_clocks(params: TrainParams) -> None:
    """Refuse what each process would decide by its own clock: they would part, and wait for each other for ever."""
    clocks = {"train.minutes": params.minutes is not None, "train.precision: auto": params.precision == "auto"}
    for name, wanted in clocks.items():
        if wanted:
            raise TrainError(
                f"{name} is not for several processes, since each measures by itself",
                next="set train.minutes to null and train.precision to float32 in params.yaml, in all of them",
            )


def _name(environ: Mapping[str, str]) -> str:
    name = environ.get("PIXMILL_STRATEGY") or "auto"
    if name not in _NAMES:
        raise TrainError(
            f"PIXMILL_STRATEGY: expected {', '.join(_NAMES[:-1])} or {_NAMES[-1]}, received {name!r}",
            next="unset PIXMILL_STRATEGY, then: dvc repro train",
        )
    return name


def _task(environ: Mapping[str, str]) -> tuple[dict[str, Any], str, int]:
    """Return the cluster of ``TF_CONFIG``, and which of its processes this is."""
    given = environ.get("TF_CONFIG", "")
    try:
        config = json.loads(given)
    except ValueError:
        config = None
    match config:
        case {"cluster": dict(cluster), "task": {"type": "chief" | "worker" as kind, "index": int(index)}}:
            processes = cluster.get(kind)
            if isinstance(processes, list) and 0 <= index < len(processes):
                return cluster, str(kind), index
    raise TrainError(
        "PIXMILL_STRATEGY=multi_worker needs TF_CONFIG, JSON that lists all processes and says which one this is; "
        f"received {given or 'none'!r}",
        next=f"export TF_CONFIG='{_EXAMPLE}', with another index for each process, then: dvc repro train",
    )
