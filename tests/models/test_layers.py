"""The layers of a backbone whose averages are features."""

import numpy as np
import pytest

from pixmill.core.params import BackboneParams, TrainParams
from pixmill.models.backbones import build_backbone
from pixmill.models.layers import (
    STAGE_ENDS,
    TOP,
    feature_layers,
    feature_maps,
    last_features,
    several_layers,
)
from tests.models.conftest import some_pixels

SIDE = 64


@pytest.mark.parametrize(
    "name",
    [
        "efficientnet_lite0",
        "efficientnet_lite2",
        pytest.param("mobilenet_v2", marks=pytest.mark.slow),
    ],
)
def test_auto_features_are_averages_of_stage_ends(name, threads) -> None:
    import keras

    params = TrainParams(model="features", backbone=BackboneParams(name=name, weights="none"))
    layers = feature_layers(params)
    assert layers == (*STAGE_ENDS[name], TOP)
    backbone = build_backbone(params.backbone, image_size=SIDE, seed=7, layers=layers)
    top = build_backbone(params.backbone, image_size=SIDE, seed=7)
    assert backbone.count_params() == top.count_params()
    pixels = some_pixels(2, SIDE).astype(np.float32)
    nodes = [node for nodes in backbone._nodes_by_depth.values() for node in nodes]
    outputs = {node.operation.name: node.outputs[0] for node in nodes}
    graph = keras.Model(
        backbone.input, [backbone.output, *(outputs[layer] for layer in layers[:-1])]
    )
    features, *maps = map(np.asarray, graph(pixels))
    assert [values.shape[1] for values in maps] == [SIDE // 8, SIDE // 16, SIDE // 32]
    averages = [*(values.mean(axis=(1, 2)) for values in maps), np.asarray(top(pixels))]
    scale = features.std()
    np.testing.assert_allclose(
        features / scale, np.concatenate(averages, axis=1) / scale, rtol=0, atol=1e-4
    )
    assert len(feature_maps(backbone.output)) == len(layers)


def test_several_networks_are_joined_at_their_sizes(threads) -> None:
    names = ("efficientnet_lite2", "efficientnet_lite0")
    sizes = (96, 64)
    params = TrainParams(backbone=BackboneParams(name=names, image_size=sizes))
    assert several_layers(params)
    joined = build_backbone(params.backbone, image_size=96, layers=feature_layers(params))
    pixels = some_pixels(2, 96).astype(np.float32)
    singles = []
    for name, size in zip(names, sizes, strict=True):
        single = BackboneParams(name=name, image_size=size)
        singles.append(build_backbone(single, image_size=96, layers=(*STAGE_ENDS[name], TOP)))
    features = [np.asarray(single(pixels, training=False)) for single in singles]
    # Resizing, which is also an augmentation, would switch batch norm to training mode.
    found = joined(pixels, training=False)
    np.testing.assert_allclose(found, np.concatenate(features, axis=1), rtol=0, atol=1e-4)
    starts = [list(feature_maps(single.output)) for single in singles]
    assert list(feature_maps(joined.output)) == [
        *starts[0],
        *(features[0].shape[1] + start for start in starts[1]),
    ]
    assert last_features(joined.output).shape[1] == 1280
    assert joined.count_params() == sum(single.count_params() for single in singles)
