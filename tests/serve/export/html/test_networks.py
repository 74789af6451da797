"""Networks as a page runs them: one image at a time, and rounded if the file shall be small."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pixmill.models.litert import load_outputs
from pixmill.serve.export.html.networks import read_networks


def large_weights(content):
    model = schema.Model.GetRootAs(content, 0)
    buffers = [model.Buffers(number) for number in range(model.BuffersLength())]
    data = [each.DataAsNumpy().view(np.uint32) for each in buffers if each.DataLength() >= 4096]
    return np.concatenate(data)


def test_the_number_of_images_is_fixed_and_outputs_stay(model):
    (network,) = read_networks(model.path)
    graph = schema.Model.GetRootAs(network, 0).Subgraphs(0)
    tensors = [graph.Tensors(number) for number in range(graph.TensorsLength())]
    assert all(
        -1 not in tensor.ShapeSignatureAsNumpy()
        for tensor in tensors
        if tensor.ShapeSignatureLength()
    )
    run, names = load_outputs(network)
    original, _ = load_outputs(model.path / "network.tflite")
    pixels = np.random.default_rng(0).integers(0, 256, (1, 24, 24, 3)).astype(np.uint8)
    for name in names:
        np.testing.assert_array_equal(run(pixels, names)[name], original(pixels, names)[name])


def test_small_weights_have_eleven_significant_bits(model):
    (exact,) = read_networks(model.path)
    (small,) = read_networks(model.path, small=True)
    rounded = large_weights(small)
    assert len(rounded)
    assert not (rounded & 0x1FFF).any()
    before = large_weights(exact).view(np.float32)
    np.testing.assert_allclose(rounded.view(np.float32), before, rtol=2**-11, atol=0)
