"""Features of the bundled backbone, of every image once: by LiteRT as Pixmill computes them, or by TensorFlow."""

import os
from functools import partial

import numpy as np
from packed import packed_part
from training import BATCH, SIDE, compete, told

from pixmill.core.params import BackboneParams
from pixmill.learn import fix_threads
from pixmill.learn.backbones import build_backbone
from pixmill.learn.export import convert_backbone
from pixmill.learn.litert import load_litert

told = told()
fix_threads(2)
part = packed_part(told.folder)
if told.precision == "litert":
    file = convert_backbone(BackboneParams(), image_size=SIDE, scratch=told.folder / "features", threads=2)
    compute = load_litert(file, workers=os.cpu_count())
else:
    import tensorflow as tf

    model = build_backbone(BackboneParams(), image_size=SIDE, seed=0)
    graph = tf.function(partial(model, training=False), jit_compile=False)

    def compute(pixels):
        return graph(tf.cast(pixels, tf.float32)).numpy()


def epoch():
    batches = [np.ascontiguousarray(part.pixels[start : start + BATCH]) for start in range(0, len(part), BATCH)]
    # Not a loss, but what both must agree on.
    return len(part), float(np.mean([compute(batch).mean() for batch in batches]))


compete(epoch)
