"""Networks: built from params, saved as reproducible files, loaded safely.

- ``classifier``: predict label, calibrated confidence and certainty; ``inference``: predict many
  images in guarded worker processes
- ``networks``: the network that params describe, and its loss
- ``augmentation``: data augmentation
- ``backbones``: pretrained networks; those of ``lite`` are installed with Pixmill
- ``features``: cached features of a frozen backbone; ``layers``: its layers, and the head on top
- ``model_folder``: a network as files; ``litert_export``: conversion to LiteRT; ``litert``:
  inference without TensorFlow
- ``novelty``: how unlike the training images an image is
- ``exported``: a classifier in one file
- ``determinism``: fixed threads and random states in TensorFlow, precision, and a fingerprint of
  the machine
"""

from pixmill.models.classifier import Classifier

__all__ = ["Classifier"]
