"""Keras' image_dataset_from_directory, with augmentation layers on its batches, feeding `fit`."""

import math

import keras
import tensorflow as tf
from training import BATCH, SCENES, SIDE, arguments, compete, scenes_cnn

tf.config.threading.set_intra_op_parallelism_threads(2)
tf.config.threading.set_inter_op_parallelism_threads(2)
changes = SCENES.augmentation
shear = math.tan(math.radians(changes.shear))
layers = keras.Sequential(
    [
        keras.layers.RandomFlip("horizontal"),
        keras.layers.RandomRotation(changes.rotation / 360, fill_mode="nearest"),
        keras.layers.RandomZoom(changes.zoom, fill_mode="nearest"),
        keras.layers.RandomTranslation(changes.shift, changes.shift, fill_mode="nearest"),
        keras.layers.RandomShear(shear, shear, fill_mode="nearest"),
    ]
)
images = keras.utils.image_dataset_from_directory(
    arguments().folder / "images", image_size=(SIDE, SIDE), batch_size=BATCH, seed=0, verbose=False
)
count = len(images.file_paths)
changed = images.map(
    lambda x, y: (layers(x, training=True), y), num_parallel_calls=tf.data.AUTOTUNE
)
model = scenes_cnn()
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
fed = changed.prefetch(tf.data.AUTOTUNE)


def epoch() -> tuple[int, float]:
    return count, model.fit(fed, verbose=0).history["loss"][0]


compete(epoch)
