"""Read IDX files, the format of MNIST and its successors, gzipped or not."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pixmill.core.errors import DataError

_GZIP = b"\x1f\x8b"
_UNSIGNED_BYTES = b"\0\0\x08"
_MAX_DIMENSIONS = 4
_MAX_VALUES = 256 * 1024 * 1024
"""More than any published dataset has; checked before memory is allocated."""


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """Return the array of an IDX file of unsigned bytes.

    Layout (yann.lecun.com/exdb/mnist): two zeros, the type 8, the number of dimensions, the size of each dimension as
    32-bit big-endian integers, then the values, last dimension fastest.

    Args:
        path: File, such as ``train-images-idx3-ubyte`` or ``train-images-idx3-ubyte.gz``.

    Returns:
        A read-only ``uint8`` array with the shape from the header.

    Raises:
        DataError: The file is missing, truncated, longer than stated in its header, too large, or not an IDX file of
            bytes.

    Examples:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "labels-idx1-ubyte"
        ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
        ...     read_idx(path).tolist()
        [7, 2, 1]
    """
    try:
        with path.open("rb") as stream:
            is_gzipped = stream.read(len(_GZIP)) == _GZIP
        with gzip.open(path) if is_gzipped else path.open("rb") as stream:
            header = stream.read(4)
            if len(header) < 4 or header[:3] != _UNSIGNED_BYTES or not 1 <= header[3] <= _MAX_DIMENSIONS:
                raise ValueError(f"it begins with {header!r}, which is not the header of an IDX file of bytes")
            sizes = stream.read(4 * header[3])
            if len(sizes) < 4 * header[3]:
                raise EOFError("it ends within its header")
            shape = tuple(np.frombuffer(sizes, ">u4").tolist())
            count = math.prod(shape)
            if count > _MAX_VALUES:
                raise ValueError(f"its header claims {count} values, at most {_MAX_VALUES} are read")
            values = stream.read(count + 1)
        if len(values) != count:
            amount = "more" if len(values) > count else f"only {len(values)}"
            raise ValueError(f"its header claims {count} values, it has {amount}")
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(
            f"{path} cannot be read as an IDX file: {error}", next=f"replace {path} with the published file"
        ) from error
    return np.frombuffer(values, np.uint8).reshape(shape)


def read_labelled(folder: Path, prefix: str) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return the images and the labels of one split of a dataset, gzipped or not.

    Args:
        folder: Folder of the IDX files.
        prefix: Prefix of their names: ``train`` or ``t10k``.

    Raises:
        DataError: A file is missing or damaged.
    """
    plain = [folder / f"{prefix}-{name}-ubyte" for name in ("images-idx3", "labels-idx1")]
    images, labels = (read_idx(path if path.exists() else path.with_name(f"{path.name}.gz")) for path in plain)
    return images, labels
