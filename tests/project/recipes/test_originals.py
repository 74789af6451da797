"""Recipes after well-known systems have their data, layers, loss, optimizer and augmentation."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from pixmill.core.params import Params
from pixmill.models.networks import build_classifier, logits_graph, objective
from pixmill.project.recipes.recipe import find_recipe
from tests.project.recipes.test_recipes import ROOT

NONE = {"flip": False, "zoom": 0.0, "shear": 0.0}
KERAS = {"flip": True, "zoom": 0.2, "shear": 0.2}
PUBLISHED: dict[str, dict[str, Any]] = {
    "garments": {
        "classes": "jeans saree trouser",
        "source": "amazon",
        "image": "300 stretch nearest",
        "layers": "rescaling, conv 32 3x3 valid relu, max 2, conv 64 3x3 valid relu, max 2, "
        "conv 128 3x3 valid relu, max 2, flatten, dense 64 relu, dropout 0.5, dense 3 linear, "
        "log_sigmoid, "
        "softmax",
        "fit": "adam 0.001, batch 5",
        "augmentation": KERAS,
        "parameters": 10_128_707,
    },
    "digits": {
        "classes": "0 1 2 3 4 5 6 7 8 9",
        "source": "keras mnist",
        "image": "28 pad bicubic",
        "layers": (
            "grey, rescaling, conv 32 3x3 valid relu, max 2, flatten, dense 100 relu, dense "
            "10 linear, softmax"
        ),
        "fit": "sgd 0.01 momentum 0.9, batch 32, 10 epochs",
        "augmentation": NONE,
        "parameters": 542_230,
    },
    "sports": {
        "classes": "rugby soccer",
        "source": "urls n00470966 /m/06bqd /m/06br8 /m/06f3l n00478262 /m/02vx4",
        "image": "224 stretch bilinear",
        "split": (0.2, 0.08),
        "layers": "rescaling, conv 32 3x3 same relu, max 2, conv 32 3x3 same relu, max 2, "
        "conv 64 3x3 same relu, max 2, dropout 0.4, flatten, dense 128 relu, dense 2 linear, "
        "softmax",
        "fit": "adam 1e-06, batch 32, 500 epochs",
        "augmentation": NONE,
        "parameters": 6_451_554,
    },
    "sports-transfer": {
        "classes": "rugby soccer",
        "source": "urls n00470966 /m/06bqd /m/06br8 /m/06f3l n00478262 /m/02vx4",
        "image": "224 stretch bilinear",
        "split": (0.2, 0.08),
        "layers": "mobilenet_v2 imagenet frozen, average, dropout 0.2, dense 2 linear, softmax",
        "fit": "adam 1e-05, batch 32",
        "augmentation": NONE,
        "parameters": 2_260_546,
    },
    "scenes": {
        "classes": "buildings forest glacier mountain sea street",
        "source": "folder fixed",
        "image": "150 stretch nearest",
        "unlabelled": "data/unlabelled",
        "layers": "rescaling, conv 32 3x3 valid relu, max 2, batch norm, dropout 0.2, "
        "conv 64 3x3 valid relu, max 2, batch norm, dropout 0.2, conv 128 3x3 valid relu, max 2, "
        "batch norm, dropout 0.2, conv 256 3x3 valid relu, max 2, batch norm, dropout 0.2, "
        "flatten, "
        "dense 128 relu, dropout 0.2, dense 128 relu, dropout 0.2, dense 128 relu, dropout 0.2, "
        "dense 128 relu, dropout 0.2, dense 6 linear, softmax",
        "fit": "adam 0.001, batch 32",
        "augmentation": KERAS,
        "parameters": 2_046_406,
    },
    "food": {
        "classes": "not pizza pizza",
        "source": "google bing yahoo",
        "image": "180 stretch bilinear",
        "layers": "rescaling, conv 16 3x3 same relu, max 2, conv 32 3x3 same relu, max 2, "
        "conv 64 3x3 same relu, max 2, flatten, dense 128 relu, dense 2 linear, softmax",
        "fit": "adam 0.001, batch 32, early stopping on val_accuracy",
        "augmentation": NONE,
        "parameters": 3_988_898,
    },
}
"""What the originals say; where they are silent or mistaken, what our recipes say."""


@cache
def params_of(name: str) -> Params:
    return find_recipe(ROOT, name).params()


@cache
def built(name: str) -> Any:
    params = params_of(name)
    # Weights that would have to be downloaded are drawn instead.
    backbone = params.train.backbone.model_copy(update={"weights": "none"})
    train = params.train.model_copy(update={"backbone": backbone})
    return build_classifier(train, labels=len(params.classes), image_size=params.split.image_size)


def layers_of(model: Any) -> str:
    """Describe the layers in order."""
    from keras import layers

    words = []
    for layer in model.operations:
        match layer:
            case layers.InputLayer():
                pass
            case layers.Conv2D():
                size = "x".join(map(str, layer.kernel_size))
                words.append(
                    f"conv {layer.filters} {size} {layer.padding} {layer.activation.__name__}"
                )
            case layers.Dense():
                words.append(f"dense {layer.units} {layer.activation.__name__}")
            case layers.MaxPooling2D():
                assert layer.pool_size == layer.strides == (2, 2)
                assert layer.padding == "valid"
                words.append("max 2")
            case layers.Dropout():
                words.append(f"dropout {layer.rate}")
            case layers.BatchNormalization():
                words.append("batch norm")
            case layers.Activation():
                words.append(layer.activation.__name__)
            case _:
                words.append(layer.name)
    return ", ".join(words)


@pytest.mark.parametrize("name", PUBLISHED)
def test_data_and_fit_equal_the_original(name: str) -> None:
    params = params_of(name)
    wanted = PUBLISHED[name]
    assert " ".join(params.classes) == wanted["classes"]
    scrape = params.scrape
    split = params.split
    train = params.train
    details = {
        "urls": [text for label in params.classes for text in scrape.urls.classes.get(label, ())],
        "keras": [scrape.keras.dataset],
        "folder": [scrape.folder.layout],
    }
    assert " ".join([*scrape.source, *details.get(scrape.source[0], ())]) == wanted["source"]
    assert f"{split.image_size} {split.aspect} {split.resize}" == wanted["image"]
    assert (split.test, split.val) == wanted.get("split", (split.test, split.val))
    assert params.evaluate.unlabelled == wanted.get("unlabelled")
    fit = f"{train.optimizer} {train.learning_rate:g}"
    fit += f" momentum {train.momentum}" if train.optimizer == "sgd" else ""
    fit += f", batch {train.batch_size}"
    fit += f", {train.epochs} epochs" if "epochs" in wanted["fit"] else ""
    fit += f", early stopping on {train.monitor}" if train.patience else ""
    assert fit == wanted["fit"]
    others = dict.fromkeys(("rotation", "shift", "brightness", "contrast", "erasing"), 0.0)
    assert train.augmentation.model_dump(exclude={"mix_alpha", "plugin"}) == {
        **wanted["augmentation"],
        **others,
        "mix": "none",
    }
    assert (train.schedule.name, train.label_smoothing, train.class_weights) == (
        "constant",
        0.0,
        False,
    )


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("name", PUBLISHED)
def test_layers_and_loss_equal_the_original(name: str) -> None:
    import keras

    params = params_of(name)
    wanted = PUBLISHED[name]
    model = built(name)
    layers = layers_of(model)
    if params.train.model == "backbone":
        backbone = params.train.backbone
        layers = layers[layers.index("globalaverage") :].replace(
            "globalaveragepooling2d_0", "average"
        )
        # Only the output layer is fitted.
        frozen = "frozen" if len(model.trainable_weights) == 2 else "fitted"
        layers = f"{backbone.name} {backbone.weights} {frozen}, {layers}"
    assert layers == wanted["layers"]
    assert model.count_params() == wanted["parameters"]
    lines = (ROOT / "docs/how-to/recipes.md").read_text("utf-8").splitlines()
    row = next(line for line in lines if line.startswith(f"| `{name}` | "))
    assert row.endswith(f"| {wanted['parameters']:,} |")

    pixels = (
        np.random.default_rng(7).integers(0, 256, (3, *model.input_shape[1:])).astype(np.float32)
    )
    targets = np.eye(len(params.classes), dtype=np.float32)[[0, 1, 1]]
    answers, logits = keras.Model(model.input, [model.output, logits_graph(model).output])(pixels)
    # Categorical cross-entropy of the outputs; sparse cross-entropy is the same number.
    theirs = keras.losses.categorical_crossentropy(targets, np.asarray(answers))
    ours = objective(params.train).call(targets, logits)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
