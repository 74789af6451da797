"""Classifiers: built from params, kept as files whose bytes depend on their weights alone, loaded safely.

- ``classifier``: the kind of model that params choose
- ``cnn``: a plain convolutional network
- ``augmentation``: the graph that is trained: random changes, then the classifier
- ``folder``: a classifier as files
- ``loading``: TensorFlow, loaded quietly
- ``determinism``: threads and random states, so that equal inputs give equal bytes
"""

from pixmill.models.augmentation import training_graph
from pixmill.models.classifier import build_classifier
from pixmill.models.determinism import fix_threads, reseed
from pixmill.models.folder import load_classifier, save_classifier

__all__ = ["build_classifier", "fix_threads", "load_classifier", "reseed", "save_classifier", "training_graph"]
