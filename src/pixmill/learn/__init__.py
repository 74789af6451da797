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

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pixmill.learn.augmentation import Augmenter, preview_augmentation
    from pixmill.learn.classifier import Classifier, save_calibration
    from pixmill.learn.determinism import fix_threads, reseed
    from pixmill.learn.features import extract_features, part_features
    from pixmill.learn.litert_export import export_classifier
    from pixmill.learn.model_folder import load_classifier, save_classifier
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
    "preview_augmentation",
    "reseed",
    "save_calibration",
    "save_classifier",
]

_HOMES = {
    "Augmenter": "augmentation",
    "preview_augmentation": "augmentation",
    "Classifier": "classifier",
    "save_calibration": "classifier",
    "fix_threads": "determinism",
    "reseed": "determinism",
    "export_classifier": "litert_export",
    "extract_features": "features",
    "part_features": "features",
    "load_classifier": "model_folder",
    "save_classifier": "model_folder",
    "backbone_variables": "networks",
    "build_classifier": "networks",
    "build_head": "networks",
    "describe_model": "networks",
    "fuse": "networks",
    "logits_graph": "networks",
    "objective": "networks",
}
"""The module of each name."""


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: inference needs none of the packages that training needs."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
