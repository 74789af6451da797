"""Tiny presets of KerasHub with random weights, as ``save_to_preset`` writes them."""

from pathlib import Path

SIDE = 64
"""Image size; for DINOv2, whose patches have 14 pixels, use 56."""

KINDS = ("clip", "dinov2", "dinov3", "siglip")


def write_preset(folder: Path, kind: str) -> Path:
    """Write a preset of five blocks, with the preprocessing of its family.

    Args:
        folder: New or empty folder.
        kind: One of :data:`KINDS`, or ``vit``, which Pixmill does not support.
    """
    from pixmill.models.tensorflow import keras, load_tensorflow

    load_tensorflow()
    from keras_hub import layers, models

    keras.utils.set_random_seed(7)
    pixels = {"image_shape": (SIDE, SIDE, 3)}
    blocks = {"num_layers": 5, "hidden_dim": 32, "num_heads": 2}
    text = {
        "vocabulary_size": 50,
        "embedding_dim": 32,
        "hidden_dim": 32,
        "num_layers": 1,
        "num_heads": 2,
    }
    text |= {"intermediate_dim": 64, "max_sequence_length": 8}
    seen = pixels | blocks | {"patch_size": 16, "intermediate_dim": 64}
    if kind == "clip":
        name = "CLIP"
        encoders = models.CLIPVisionEncoder(**seen), models.CLIPTextEncoder(**text)
        backbone = models.CLIPBackbone(*encoders, projection_dim=16)
    elif kind == "siglip":
        name = "SigLIP"
        backbone = models.SigLIPBackbone(
            models.SigLIPVisionEncoder(**seen), models.SigLIPTextEncoder(**text)
        )
    elif kind == "dinov2":
        name = "DINOV2"
        trained = (70, 70, 3)
        given = blocks | {"patch_size": 14, "intermediate_dim": 64}
        backbone = models.DINOV2Backbone(
            **given, image_shape=trained, position_embedding_shape=trained
        )
    elif kind == "dinov3":
        name = "DINOV3"
        backbone = models.DINOV3Backbone(**seen, num_register_tokens=4)
    else:
        name = "ViT"
        given = pixels | blocks | {"patch_size": 16, "mlp_dim": 64}
        backbone = models.ViTBackbone(**given)
    backbone.save_to_preset(str(folder))
    scaling = {"scale": [1 / 58.4, 1 / 57.1, 1 / 57.4], "offset": [-2.12, -2.04, -1.8]}
    converter = getattr(layers, f"{name}ImageConverter")(image_size=(SIDE, SIDE), **scaling)
    converter.save_to_preset(str(folder))
    return folder
