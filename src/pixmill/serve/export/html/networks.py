"""Networks of a model for LiteRT.js."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pixmill.core.errors import PixmillError
from pixmill.models.litert import converted_files

_DROPPED_BITS = 13
"""Bits of a weight's fraction that ``small`` rounds away: 10 stay, as in half precision.

The exponent keeps its 8 bits, so small weights lose no more than large ones.
"""

_MIN_WEIGHTS = 1024
"""Minimum size of a tensor whose weights are rounded: biases are few, and matter."""

_FLOAT32 = 0
"""``TensorType.FLOAT32`` of LiteRT's schema."""


def read_networks(path: Path, *, small: bool = False) -> list[bytes]:
    """Return the LiteRT files of a classifier in the order in which they run.

    Args:
        path: Folder of the classifier, or an exported ``.tflite`` file.
        small: Whether weights are rounded to 11 significant bits, which compress to half.

    Raises:
        PixmillError: LiteRT.js cannot run them.
    """
    names = converted_files(path)  # None of an exported file.
    files = [path / name for name in reversed(names)] or [path]
    return [_prepare(file, small=small) for file in files]


def _prepare(file: Path, *, small: bool) -> bytes:
    from ai_edge_litert import schema_py_generated as schema

    content = bytearray(file.read_bytes())
    model = schema.Model.GetRootAs(content, 0)
    for number in range(model.OperatorCodesLength()):
        custom = model.OperatorCodes(number).CustomCode()
        if custom is not None:
            raise PixmillError(
                f"the network has the operation {custom.decode()}, which LiteRT.js lacks",
                next="export another format: pixmill export litert",
            )
    for number in range(model.SubgraphsLength()):
        graph = model.Subgraphs(number)
        for place in range(graph.TensorsLength()):
            _fix_batch(graph.Tensors(place))
            if small:
                _round(graph.Tensors(place), model)
    return bytes(content)


def _fix_batch(tensor: Any) -> None:
    """Set the number of images to one, in place: LiteRT.js accepts no open number."""
    if tensor.ShapeSignatureLength():
        sides = tensor.ShapeSignatureAsNumpy()
        sides[sides == -1] = 1


def _round(tensor: Any, model: Any) -> None:
    """Round the weights of a tensor in place, halves to even."""
    buffer = model.Buffers(tensor.Buffer())
    if tensor.Type() != _FLOAT32 or buffer.DataLength() < 4 * _MIN_WEIGHTS:
        return
    bits = buffer.DataAsNumpy().view(np.uint32)
    half = (1 << (_DROPPED_BITS - 1)) - 1
    bits += half + (bits >> _DROPPED_BITS & 1)
    bits &= 0xFFFFFFFF << _DROPPED_BITS & 0xFFFFFFFF
