"""Upper bound: only gradients and Adam, on one batch in memory."""

import numpy as np
import tensorflow as tf
from training import BATCH, LABELS, SIDE, arguments, compete, scenes_cnn

from pixmill.models.determinism import computing_with, fix_threads

options = arguments()
fix_threads(2)
import keras

count = len(list((options.folder / "images").rglob("*.jpg")))
model = scenes_cnn()
adam = keras.optimizers.Adam()
adam.build(model.trainable_variables)
values = [variable.value for variable in model.trainable_variables]
measure = keras.losses.SparseCategoricalCrossentropy()
chance = np.random.default_rng(0)
pixels = tf.constant(chance.uniform(0, 255, (BATCH, SIDE, SIDE, 3)).astype(np.float32))
targets = tf.constant(chance.integers(0, LABELS, BATCH, dtype=np.int32))


@tf.function(jit_compile=False)
def step():
    with tf.GradientTape() as tape:
        with computing_with(model, options.precision):
            scores = model(pixels, training=True)
        loss = measure(targets, scores)
    adam.apply(tape.gradient(loss, values), model.trainable_variables)
    return loss


def epoch() -> tuple[int, float]:
    losses = [step() for _ in range(count // BATCH)]
    return count // BATCH * BATCH, float(np.mean([float(loss) for loss in losses]))


compete(epoch)
