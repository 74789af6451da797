"""Features of the bundled backbone, by LiteRT as Pixmill computes them, or by TensorFlow.

With only a few hundred images, the start of the worker processes would dominate.
"""

from functools import partial

import numpy as np
from packed import packed_part
from training import BATCH, SIDE, arguments, compete

from pixmill.core.params import BackboneParams, TrainParams
from pixmill.images.compute import map_batches
from pixmill.models.backbones import build_backbone
from pixmill.models.determinism import fix_threads
from pixmill.models.extraction import FeaturePass
from pixmill.models.layers import feature_layers
from pixmill.models.litert_export import convert_backbone

options = arguments()
fix_threads(2)
part = packed_part(options.folder)
# Repeat the images.
rows = np.arange(options.images) % len(part)
layers = feature_layers(TrainParams())
if options.precision == "litert":
    scratch = options.folder / "features"
    file = convert_backbone(
        BackboneParams(), image_size=SIDE, scratch=scratch, threads=2, layers=layers
    )

    def features():
        return map_batches(FeaturePass(file.read_bytes(), SIDE), (part.pixels[row] for row in rows))

else:
    import tensorflow as tf

    model = build_backbone(BackboneParams(), image_size=SIDE, seed=0, layers=layers)
    graph = tf.function(partial(model, training=False), jit_compile=False)

    def features():
        for start in range(0, len(rows), BATCH):
            yield from graph(tf.cast(part.pixels[rows[start : start + BATCH]], tf.float32)).numpy()


def epoch():
    # Not a loss, but a value on which both must agree.
    return len(rows), float(np.mean([row.mean() for row in features()]))


compete(epoch)
