"""Keras' ImageDataGenerator: decodes, augments with SciPy, and feeds `fit`."""

import warnings

warnings.simplefilter("ignore")

import tensorflow as tf
from training import BATCH, SCENES, SIDE, arguments, compete, scenes_cnn

tf.config.threading.set_intra_op_parallelism_threads(2)
tf.config.threading.set_inter_op_parallelism_threads(2)
changes = SCENES.augmentation
images = tf.keras.preprocessing.image.ImageDataGenerator(
    horizontal_flip=changes.flip,
    rotation_range=changes.rotation,
    zoom_range=changes.zoom,
    width_shift_range=changes.shift,
    height_shift_range=changes.shift,
    shear_range=changes.shear,
).flow_from_directory(
    arguments().folder / "images", target_size=(SIDE, SIDE), batch_size=BATCH, class_mode="sparse"
)
model = scenes_cnn()
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)


def epoch() -> tuple[int, float]:
    return images.samples, model.fit(images, verbose=0).history["loss"][0]


compete(epoch)
