"""Read IDX files, the format of MNIST and its successors, gzipped or not."""

import gzip
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pixmill.core.errors import DataError

_GZIP = b"\x1f\x8b"
_UNSIGNED_BYTES = b"\0\0\x08"


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """Return the array of an IDX file of unsigned bytes.

    Layout (yann.lecun.com/exdb/mnist): two zeros, the type 8, the number of dimensions, the size of
    each dimension as 32-bit big-endian integers, then the values, last dimension fastest.

    Args:
        path: File, such as ``train-images-idx3-ubyte`` or ``train-images-idx3-ubyte.gz``.

    Returns:
        A read-only ``uint8`` array with the shape from the header.

    Raises:
        DataError: The file is missing, truncated, longer than stated in its header, or not an IDX
            file of bytes.

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
        content = path.read_bytes()
        if content.startswith(_GZIP):
            content = gzip.decompress(content)
        if len(content) < 4 or not content.startswith(_UNSIGNED_BYTES) or not content[3]:
            raise ValueError(
                f"it begins with {content[:4]!r}, which is not the header of an IDX file of bytes"
            )
        dimensions = content[3]
        shape = np.frombuffer(content, ">u4", dimensions, offset=4)
        return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(
            f"{path} cannot be read as an IDX file: {error}",
            next=f"replace {path} with the published file",
        ) from error


def read_labelled(folder: Path, prefix: str) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return the images and the labels of one split of a dataset, gzipped or not.

    Args:
        folder: Folder of the IDX files.
        prefix: Prefix of their names: ``train`` or ``t10k``.

    Raises:
        DataError: A file is missing or damaged.
    """
    plain = [folder / f"{prefix}-{name}-ubyte" for name in ("images-idx3", "labels-idx1")]
    images, labels = (
        read_idx(path if path.exists() else path.with_name(f"{path.name}.gz")) for path in plain
    )
    return images, labels
