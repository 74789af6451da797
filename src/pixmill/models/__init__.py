"""Networks: built from params, saved as files whose bytes depend on the weights alone, loaded safely.

- ``classifier``: inference: label, calibrated confidence, sure or not; ``inference``: of many images, in guarded
  worker processes
- ``networks``: builds the network that params describe, and its loss
- ``augmentation``: data augmentation
- ``backbones``: pretrained networks; ``lite0`` is installed with Pixmill
- ``features``: features from a frozen backbone, computed once and cached
- ``precision``: the compute precision, and the machine
- ``model_folder``: a network as files; ``litert_export``: its conversion to LiteRT; ``litert``: LiteRT, without
  TensorFlow
- ``exported``: a classifier in one file, for use elsewhere; ``prediction_reasons``: what the reason of a missing
  prediction means
- ``determinism``: TensorFlow with fixed threads and random states, so that equal inputs give equal bytes
"""

from pixmill.models.classifier import Classifier

__all__ = ["Classifier"]
