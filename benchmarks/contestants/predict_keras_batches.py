"""``model.predict`` on batches of 32, decoded and resized by tf.data, whose resize differs from Pillow's."""

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf
from predicting import Answers, compete

from pixmill.models.model_folder import load_classifier, read_description

models = {}


def predict(paths: Sequence[Path], model: Path) -> Answers:
    if not models:
        models["keras"] = load_classifier(model)[0]
    side = read_description(model)["image_size"]

    def pixels(path):
        image = (
            tf.image.convert_image_dtype(
                tf.io.decode_jpeg(tf.io.read_file(path), channels=3), tf.float32
            )
            * 255
        )
        return tf.image.resize_with_pad(image, side, side, method="bicubic", antialias=True)

    images = tf.data.Dataset.from_tensor_slices([str(path) for path in paths])
    images = (
        images.map(pixels, num_parallel_calls=tf.data.AUTOTUNE).batch(32).prefetch(tf.data.AUTOTUNE)
    )
    return models["keras"].predict(images, verbose=0)


if __name__ == "__main__":
    compete(predict)
