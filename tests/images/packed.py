"""Packed splits for tests."""

from pixmill.images.compression import compress
from pixmill.images.parts import open_images, write_images


def pack_images(folder, name, pixels):
    """Write a packed split and open it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_images(folder, name, map(compress, pixels), image_size=pixels.shape[1])
    return open_images(folder, name)
