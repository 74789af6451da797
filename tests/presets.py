"""Tiny presets of KerasHub with random weights, as ``save_to_preset`` writes them."""

from pathlib import Path

SIDE = 64
"""Side of the images that they take; for DINOv2, whose patches have 14 pixels, 56."""

KINDS = ("clip", "densenet", "dinov2", "dinov3", "efficientnet", "resnet", "siglip")


def write_preset(folder: Path, kind: str) -> Path:
    """Write a preset of five blocks or four stages, with the preprocessing of its family.

    Args:
        folder: The folder to write, below which nothing lies yet.
        kind: One of :data:`KINDS`, or ``vit``, which Pixmill does not take.
    """
    from pixmill.learn.tensorflow import keras, load_tensorflow

    load_tensorflow()
    from keras_hub import layers, models

    keras.utils.set_random_seed(7)
    pixels = {"image_shape": (SIDE, SIDE, 3)}
    blocks = {"num_layers": 5, "hidden_dim": 32, "num_heads": 2}
    text = {"vocabulary_size": 50, "embedding_dim": 32, "hidden_dim": 32, "num_layers": 1, "num_heads": 2}
    text |= {"intermediate_dim": 64, "max_sequence_length": 8}
    seen = pixels | blocks | {"patch_size": 16, "intermediate_dim": 64}
    if kind == "clip":
        name = "CLIP"
        encoders = models.CLIPVisionEncoder(**seen), models.CLIPTextEncoder(**text)
        backbone = models.CLIPBackbone(*encoders, projection_dim=16)
    elif kind == "siglip":
        name = "SigLIP"
        backbone = models.SigLIPBackbone(models.SigLIPVisionEncoder(**seen), models.SigLIPTextEncoder(**text))
    elif kind == "dinov2":
        name, trained = "DINOV2", (70, 70, 3)
        given = blocks | {"patch_size": 14, "intermediate_dim": 64}
        backbone = models.DINOV2Backbone(**given, image_shape=trained, position_embedding_shape=trained)
    elif kind == "dinov3":
        name = "DINOV3"
        backbone = models.DINOV3Backbone(**seen, num_register_tokens=4)
    elif kind == "densenet":
        name = "DenseNet"
        backbone = models.DenseNetBackbone(stackwise_num_repeats=[2] * 4, growth_rate=8, image_shape=(None, None, 3))
    elif kind == "resnet":
        name = "ResNet"
        backbone = models.ResNetBackbone(
            input_conv_filters=[64],
            input_conv_kernel_sizes=[7],
            stackwise_num_filters=[64] * 4,
            stackwise_num_blocks=[1] * 4,
            stackwise_num_strides=[1, 2, 2, 2],
            block_type="basic_block",
        )
    elif kind == "efficientnet":
        name = "EfficientNet"
        backbone = models.EfficientNetBackbone(
            stackwise_kernel_sizes=[3, 3, 5, 3, 5, 5, 3],
            stackwise_num_repeats=[1] * 7,
            stackwise_input_filters=[32, 16, 24, 40, 80, 112, 192],
            stackwise_output_filters=[16, 24, 40, 80, 112, 192, 320],
            stackwise_expansion_ratios=[1, 6, 6, 6, 6, 6, 6],
            stackwise_strides=[1, 2, 2, 2, 1, 2, 1],
            stackwise_squeeze_and_excite_ratios=[0.25] * 7,
            stackwise_block_types=["v1"] * 7,
            width_coefficient=0.25,
            depth_coefficient=1.0,
        )
    else:
        name = "ViT"
        given = pixels | blocks | {"patch_size": 16, "mlp_dim": 64}
        backbone = models.ViTBackbone(**given)
    backbone.save_to_preset(str(folder))
    scaling = {"scale": [1 / 58.4, 1 / 57.1, 1 / 57.4], "offset": [-2.12, -2.04, -1.8]}
    converter = getattr(layers, f"{name}ImageConverter")(image_size=(SIDE, SIDE), **scaling)
    converter.save_to_preset(str(folder))
    return folder
