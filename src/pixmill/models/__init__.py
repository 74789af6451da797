"""Classifiers: built from params, kept as files whose bytes depend on their weights alone, loaded safely.

- ``classifier``: the kind of model that params choose
- ``cnn``: a plain convolutional network
- ``backbone``: a pretrained network with a head of its own
- ``head``: dense layers and the end
- ``scores``: the graph that is fitted, and ``objective``: the loss that it is fitted by
- ``augmentation``: random changes of training pictures; ``warping`` moves them, ``mixing`` makes two one, and
  ``rand_augment`` draws among many changes
- ``precision``: what inner layers compute with; ``processor``: what this machine computes with
- ``folder``: a classifier as files
- ``loading``: TensorFlow, loaded quietly
- ``determinism``: threads and random states, so that equal inputs give equal bytes
"""

from pixmill.models.augmentation import Augmenter, augmented
from pixmill.models.backbone import backbone_variables, build_head, fuse
from pixmill.models.classifier import build_classifier
from pixmill.models.determinism import fix_threads, reseed
from pixmill.models.folder import load_classifier, save_classifier
from pixmill.models.objective import objective
from pixmill.models.scores import scores_graph

__all__ = [
    "Augmenter",
    "augmented",
    "backbone_variables",
    "build_classifier",
    "build_head",
    "fix_threads",
    "fuse",
    "load_classifier",
    "objective",
    "reseed",
    "save_classifier",
    "scores_graph",
]
