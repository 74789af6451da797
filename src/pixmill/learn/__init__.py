"""Networks: built from params, saved as files whose bytes depend on the weights alone, loaded safely.

- ``classifier``: inference: label, calibrated confidence, sure or not; ``inference``: of many images, in guarded
  worker processes
- ``networks``: builds the network that params describe, and its loss
- ``augmentation``: data augmentation
- ``backbones``: pretrained networks; ``lite0`` is installed with Pixmill
- ``features``: features from a frozen backbone, computed once and cached
- ``precision``: the compute precision, and the machine
- ``folder``: a network as files; ``export``: its conversion to LiteRT; ``litert``: LiteRT, without TensorFlow
- ``exported``: a classifier in one file, for use elsewhere
- ``determinism``: TensorFlow with fixed threads and random states, so that equal inputs give equal bytes
"""

from pixmill.learn.augmentation import Augmenter, augmented
from pixmill.learn.classifier import Classifier, save_calibration
from pixmill.learn.determinism import fix_threads, reseed
from pixmill.learn.export import export_classifier
from pixmill.learn.features import extract_features, part_features
from pixmill.learn.folder import load_classifier, save_classifier
from pixmill.learn.networks import (
    backbone_variables,
    build_classifier,
    build_head,
    describe_model,
    fuse,
    logits_graph,
    objective,
)

__all__ = [
    "Augmenter",
    "Classifier",
    "augmented",
    "backbone_variables",
    "build_classifier",
    "build_head",
    "describe_model",
    "export_classifier",
    "extract_features",
    "fix_threads",
    "fuse",
    "load_classifier",
    "logits_graph",
    "objective",
    "part_features",
    "reseed",
    "save_calibration",
    "save_classifier",
]
