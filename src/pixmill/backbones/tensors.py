"""Tensors in a legacy file of PyTorch, read without PyTorch and without running anything that the file asks for.

Such a file is five pickles (a magic number, the protocol, the writer's types, the content, the keys of the storages),
then the numbers of each storage behind their count. The content names storages, and tensors as views of them.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["read_tensors"]

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_DAMAGE = (ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, TypeError)
"""What else a damaged pickle ends in."""

_TYPES: dict[str, np.dtype[Any]] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


def read_tensors(content: bytes) -> dict[str, npt.NDArray[Any]]:
    """Return the tensors of a state dictionary by name, with the strides and offsets of its storages honoured.

    The pickles are read by an unpickler that knows nothing but an ordered dictionary, two kinds of storages and a
    tensor as a view of one: whatever else a file names is refused before it is looked up.

    Args:
        content: The bytes of the file.

    Raises:
        ValueError: They are no such file, end too soon, or name what is no tensor.
    """
    stream = io.BytesIO(content)
    try:
        if _Restricted(stream).load() != _MAGIC or _Restricted(stream).load() != _PROTOCOL:
            raise ValueError("expected a legacy file of PyTorch, received another magic number or protocol")
        if _Restricted(stream).load().get("little_endian") is not True:
            raise ValueError("expected numbers with the least byte first")
        named = _Restricted(stream).load()
        keys = _Restricted(stream).load()
        if not isinstance(named, Mapping) or not isinstance(keys, list):
            raise ValueError("expected tensors by name and a list of storages")
        storages = _storages([value for value in named.values() if isinstance(value, _View)], keys, stream)
        return {str(name): value.of(storages) for name, value in named.items() if isinstance(value, _View)}
    except (*_DAMAGE, pickle.UnpicklingError) as error:
        raise ValueError(f"expected tensors of PyTorch: {error}") from error


@dataclass(frozen=True)
class _Kind:
    """Name the numbers of a storage."""

    dtype: np.dtype[Any]


@dataclass(frozen=True)
class _Storage:
    """Stand for numbers that come later in the file."""

    key: str
    dtype: np.dtype[Any]
    count: int


@dataclass(frozen=True)
class _View:
    """Stand for a tensor: which numbers of a storage it is made of."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def of(self, storages: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Return the tensor as an array of its own."""
        numbers = storages[self.storage.key]
        if 0 in self.shape:
            return np.empty(self.shape, numbers.dtype)
        if math.prod(self.shape) > len(numbers):
            raise ValueError(f"a tensor of shape {self.shape} is larger than its storage of {len(numbers)} numbers")
        last = self.offset + sum((side - 1) * stride for side, stride in zip(self.shape, self.strides, strict=True))
        if last >= len(numbers):
            raise ValueError(f"a tensor of shape {self.shape} reaches beyond its storage of {len(numbers)} numbers")
        strides = [stride * numbers.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, strides, writeable=False).copy()


class _Restricted(pickle.Unpickler):
    """Read a pickle that may name nothing but tensors."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for one of the few things that may be named."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _view
        if module == "torch" and name in _TYPES:
            return _Kind(_TYPES[name])
        raise pickle.UnpicklingError(f"the file names {module}.{name}, which is no tensor")

    def persistent_load(self, pid: Any) -> _Storage:
        """Return what stands for a storage."""
        match pid:
            case ("storage", _Kind() as kind, str(key), str(), int(count), None) if count >= 0:
                return _Storage(key, kind.dtype, count)
        raise pickle.UnpicklingError(f"the file refers to {pid!r}, which is no storage")


def _view(storage: object, offset: object, shape: object, strides: object, *_: object) -> _View:
    whole = isinstance(storage, _Storage) and isinstance(shape, tuple) and isinstance(strides, tuple)
    if not whole or len(shape) != len(strides) or not all(_is_count(number) for number in (offset, *shape, *strides)):  # type: ignore[arg-type, misc]
        raise pickle.UnpicklingError("the file describes a tensor of no shape")
    return _View(storage, offset, shape, strides)  # type: ignore[arg-type]


def _is_count(number: object) -> bool:
    return type(number) is int and number >= 0


def _storages(views: Sequence[_View], keys: Sequence[str], stream: io.BytesIO) -> dict[str, npt.NDArray[Any]]:
    """Return the numbers of each storage, in the order in which the file has them."""
    described = {view.storage.key: view.storage for view in views}
    numbers = {}
    for key in keys:
        storage = described[key]
        size = storage.count * storage.dtype.itemsize
        head = stream.read(8)
        body = stream.read(size)
        if len(head) != 8 or struct.unpack("<q", head)[0] != storage.count or len(body) != size:
            raise ValueError(f"storage {key} has not the {storage.count} numbers that the file tells of")
        numbers[key] = np.frombuffer(body, storage.dtype)
    return numbers
