"""Measure presets of KerasHub as backbones in LiteRT: sizes, and times against the bundled EfficientNet-Lite0.

The networks have the presets' architectures and random weights, which take the same time as trained
ones. Each runs with the layers of ``train.features.layers: auto`` on one image of 224 x 224 pixels
at a time, alternating with EfficientNet-Lite0, the default backbone. This takes up to 8 GB of
memory.

    make bench-presets             QUICK=1 for a short one
"""

import contextlib
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from contest import QUICK, TRIAL_SIDE, machine, sized

ROUNDS = sized(30, 5, 1)
SIDE = sized(224, 224, TRIAL_SIDE)

_SMALL = {"num_layers": 12, "hidden_dim": 384, "num_heads": 6, "intermediate_dim": 1536}
_SMALL = sized(
    _SMALL, _SMALL, {"num_layers": 5, "hidden_dim": 32, "num_heads": 2, "intermediate_dim": 64}
)
_BASE = {"num_layers": 12, "hidden_dim": 768, "num_heads": 12, "intermediate_dim": 3072}
_CLIP_TEXT = {
    "vocabulary_size": 49408,
    "embedding_dim": 512,
    "hidden_dim": 512,
    "num_layers": 12,
    "num_heads": 8,
}
_CLIP_TEXT |= {"intermediate_dim": 2048, "max_sequence_length": 77}
_SIGLIP_TEXT = _BASE | {"embedding_dim": 768, "max_sequence_length": 64}
_DINO2 = {"patch_size": 14, "image_shape": (518, 518, 3), "position_embedding_shape": (518, 518, 3)}
_DINO3 = {
    "image_shape": (SIDE, SIDE, 3),
    "patch_size": 16,
    "num_register_tokens": 4,
    "use_key_bias": False,
}
PRESETS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "dinov2_small": ("DINOV2", _DINO2 | _SMALL, {}),
    "dinov2_with_registers_small": ("DINOV2", {**_DINO2, **_SMALL, "num_register_tokens": 4}, {}),
    "dinov2_base": ("DINOV2", _DINO2 | _BASE, {}),
    "dinov3_vit_small_lvd1689m": ("DINOV3", _DINO3 | _SMALL, {}),
    "dinov3_vit_small_plus_lvd1689m": (
        "DINOV3",
        {**_DINO3, **_SMALL, "use_gated_mlp": True, "hidden_activation": "silu"},
        {},
    ),
    "dinov3_vit_base_lvd1689m": ("DINOV3", _DINO3 | _BASE, {}),
    "siglip_base_patch16_224": (
        "SigLIP",
        {"patch_size": 16, **_BASE},
        {"vocabulary_size": 32000, **_SIGLIP_TEXT},
    ),
    "siglip2_base_patch16_224": (
        "SigLIP",
        {"patch_size": 16, **_BASE},
        {"vocabulary_size": 256000, **_SIGLIP_TEXT},
    ),
    "clip_vit_base_patch16": ("CLIP", {"patch_size": 16, **_BASE}, _CLIP_TEXT),
    "clip_vit_base_patch32": ("CLIP", {"patch_size": 32, **_BASE}, _CLIP_TEXT),
}
"""By name: family, architecture, and text encoder, which is in the weights file, too."""

CHOSEN = sized(tuple(PRESETS), ("dinov2_small", "clip_vit_base_patch32"), ("dinov2_small",))


def make(name: str) -> Any:
    """Return a preset's network with random weights."""
    from keras_hub import models

    family, given, text = PRESETS[name]
    backbone = getattr(models, f"{family}Backbone")
    if not text:
        return backbone(**given)
    image = getattr(models, f"{family}VisionEncoder")(**given, image_shape=(SIDE, SIDE, 3))
    words = getattr(models, f"{family}TextEncoder")(**text)
    return backbone(image, words, **({"projection_dim": 512} if family == "CLIP" else {}))


def measure(name: str) -> dict[str, Any]:
    """Return the sizes and times of a preset; run in a separate process to free its memory."""
    from pixmill.core.params import BackboneParams, TrainParams
    from pixmill.models.determinism import fix_threads
    from pixmill.models.layers import feature_layers
    from pixmill.models.litert import load_litert
    from pixmill.models.litert_export import convert_backbone
    from pixmill.models.preset_files import WEIGHTS, preset_digest
    from pixmill.models.tensorflow import keras, load_tensorflow

    load_tensorflow()
    fix_threads(2)
    from keras_hub import layers

    keras.utils.set_random_seed(7)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "preset"
        network = make(name)
        network.save_to_preset(str(folder))
        scaling = {"scale": [1 / 58.4, 1 / 57.1, 1 / 57.4], "offset": [-2.12, -2.04, -1.8]}
        converter = getattr(layers, f"{PRESETS[name][0]}ImageConverter")(
            image_size=(SIDE, SIDE), **scaling
        )
        converter.save_to_preset(str(folder))
        result: dict[str, Any] = {"parameters": network.count_params()}
        result["weights"] = (folder / WEIGHTS).stat().st_size / 1e6
        del network
        files = []
        for backbone in (
            BackboneParams(name=f"hub:{folder}", sha256=preset_digest(folder)),
            BackboneParams(),
        ):
            names = feature_layers(TrainParams(model="features", backbone=backbone))
            file = convert_backbone(
                backbone, image_size=SIDE, scratch=Path(scratch), threads=2, layers=names
            )
            assert file is not None
            files.append(file)
        result["litert"] = files[0].stat().st_size / 1e6
        pixels = np.random.default_rng(7).integers(0, 256, (1, SIDE, SIDE, 3)).astype(np.float32)
        networks = [load_litert(file, threads=1) for file in files]
        times: list[list[float]] = [[], []]
        for _ in range(ROUNDS + 2):
            for run, each in zip(networks, times, strict=True):
                start = time.perf_counter()
                run(pixels)
                each.append(1000 * (time.perf_counter() - start))
        # The first two warm up.
        ours, bundled = (each[2:] for each in times)
        result |= {"ms": statistics.median(ours), "bundled_ms": statistics.median(bundled)}
        result["ratio"] = statistics.median(a / b for a, b in zip(ours, bundled, strict=True))
    return result


def main() -> None:
    """Print the table; the last line has each preset's time as a multiple of EfficientNet-Lite0's."""
    print(f"{ROUNDS} images of {SIDE} x {SIDE}, one thread; {machine()}\n")
    print(
        "| preset | parameters, million | weights, MB | LiteRT, MB | ms | Lite0's ms | times "
        "Lite0's |"
    )
    print("|---|---|---|---|---|---|---|")
    ratios = {}
    with contextlib.ExitStack() as stack:
        run = map
        if QUICK != "tiny":
            # TensorFlow does not free the memory of deleted networks.
            spawn = multiprocessing.get_context("spawn")
            run = stack.enter_context(ProcessPoolExecutor(1, spawn, max_tasks_per_child=1)).map
        for name, result in zip(CHOSEN, run(measure, CHOSEN), strict=True):
            sizes = (
                f"{result['parameters'] / 1e6:.1f} | {result['weights']:,.0f} | "
                f"{result['litert']:,.0f}"
            )
            times = f"{result['ms']:.0f} | {result['bundled_ms']:.1f} | {result['ratio']:.1f}"
            print(f"| {name} | {sizes} | {times} |", flush=True)
            ratios[name] = round(result["ratio"], 2)
    print(f"\n{json.dumps(ratios)}")


if __name__ == "__main__":
    main()
