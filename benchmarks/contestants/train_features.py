"""Features of the bundled backbone, of every image once: by LiteRT as Pixmill computes them, or by TensorFlow."""

from functools import partial

import numpy as np
from packed import packed_part
from training import BATCH, SIDE, compete, told

from pixmill.compute import map_batches
from pixmill.core.params import BackboneParams
from pixmill.learn.backbones import build_backbone
from pixmill.learn.determinism import fix_threads
from pixmill.learn.extraction import FeaturePass
from pixmill.learn.litert_export import convert_backbone

told = told()
fix_threads(2)
part = packed_part(told.folder)
if told.precision == "litert":
    file = convert_backbone(BackboneParams(), image_size=SIDE, scratch=told.folder / "features", threads=2)

    def features():
        return map_batches(FeaturePass(file.read_bytes(), SIDE), (part.pixels[row] for row in range(len(part))))

else:
    import tensorflow as tf

    model = build_backbone(BackboneParams(), image_size=SIDE, seed=0)
    graph = tf.function(partial(model, training=False), jit_compile=False)

    def features():
        for start in range(0, len(part), BATCH):
            yield from graph(tf.cast(part.pixels[start : start + BATCH], tf.float32)).numpy()


def epoch():
    # Not a loss, but what both must agree on.
    return len(part), float(np.mean([row.mean() for row in features()]))


compete(epoch)
