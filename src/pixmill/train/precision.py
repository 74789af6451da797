"""The precision that a model is trained with, measured where params leave it open."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixmill.models.precision import Precision
from pixmill.models.processor import instructions
from pixmill.params import TrainParams
from pixmill.parts import Part
from pixmill.train.feeding import feed
from pixmill.train.steps import Trainer

if TYPE_CHECKING:
    import keras

__all__ = ["Choice", "choose_precision"]

_ROUNDS, _SECONDS = 3, 6.0
"""How often each precision is measured at least, in turns, and how long both together go on at most."""

_WORTH = 1.1
"""How many times as fast bfloat16 must be, since float32 loses nothing."""

_CPU_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
"""What processors that compute with bfloat16 call it; others emulate it, up to a hundred times slower."""

_GPU_CAPABILITY = (8, 0)
"""The least that an NVIDIA GPU must be able to do."""


@dataclass(frozen=True)
class Choice:
    """Say what to compute with, and why.

    Args:
        precision: What to compute with.
        rates: Pictures a second by precision; empty where nothing was measured.
    """

    precision: Precision
    rates: dict[Precision, float]

    def summary(self) -> str:
        """Return in one line what was taken, and what was seen."""
        seen = ", ".join(f"{name} {rate:,.0f} pictures/s" for name, rate in self.rates.items())
        return f"computes with {self.precision}" + (f" ({seen})" if seen else "")


def choose_precision(classifier: keras.Model, params: TrainParams, training: Part, *, labels: int) -> Choice:
    """Return what params name, or the faster one where they say ``auto``.

    A few steps are taken with each on a real batch; the classifier has its weights back afterwards. Where this device
    cannot compute with bfloat16, nothing is measured. Of several processes, all take what the first one saw.

    Args:
        classifier: What is to be fitted, within the scope of its strategy.
        params: The section ``train``.
        training: The pictures.
        labels: How many classes there are.
    """
    if params.precision != "auto":
        return Choice(params.precision, {})
    if not _has_bfloat16():
        return Choice("float32", {})
    import tensorflow as tf

    pixels, targets = next(feed(training, params.batch_size))
    kinds: tuple[Precision, ...] = ("float32", "bfloat16")
    before = classifier.get_weights()
    trainers = {name: Trainer(classifier, params, labels=labels, precision=name) for name in kinds}
    seconds: dict[Precision, list[float]] = {name: [] for name in kinds}
    for trainer in trainers.values():
        # The first step compiles, and the second sets up what the device keeps.
        for _ in range(2):
            float(trainer.train(pixels, targets, 0.0)["loss"])
    begun = time.monotonic()
    for done in range(100):
        # Of several processes, all must take as many steps.
        if done >= _ROUNDS and (time.monotonic() - begun > _SECONDS or _processes() > 1):
            break
        for name, trainer in trainers.items():
            start = time.perf_counter()
            float(trainer.train(pixels, targets, 0.0)["loss"])
            seconds[name].append(time.perf_counter() - start)
    classifier.set_weights(before)
    rates = {name: len(targets) / min(taken) for name, taken in seconds.items()}
    # A strategy sets a new variable to what its first process says.
    faster = tf.Variable(int(rates["bfloat16"] >= _WORTH * rates["float32"]), trainable=False)
    return Choice(kinds[int(faster.numpy())], rates)


def _processes() -> int:
    import tensorflow as tf

    resolver = tf.distribute.get_strategy().cluster_resolver
    return sum(map(len, resolver.cluster_spec().as_dict().values())) if resolver else 1


def _has_bfloat16() -> bool:
    """Tell whether this device computes with bfloat16 itself."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = (tf.config.experimental.get_device_details(gpu) for gpu in gpus)
        return all(each.get("compute_capability", (0, 0)) >= _GPU_CAPABILITY for each in details)
    return bool(_CPU_FLAGS & instructions())
