"""Pretrained networks, and the features that they see in pictures.

- ``backbone``: the network that params choose, from pixels to features
- ``lite0``: EfficientNet-Lite0, whose weights are installed with Pixmill
- ``applications``: the networks of ``keras.applications``
- ``tensors``: tensors in a legacy file of PyTorch, read without running anything
- ``fresh``: fresh weights, drawn from a seed
- ``extraction``: what a frozen backbone sees in pictures, computed once
- ``store``: rows of numbers by name, in files that are written once
- ``machine``: what features depend on of the machine
"""

from pixmill.backbones.backbone import backbone_digest, build_backbone
from pixmill.backbones.extraction import PixelSource, features

__all__ = ["PixelSource", "backbone_digest", "build_backbone", "features"]
