"""What is known of each data set: its classes by their index, its shape, its licence."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["DATA_SETS", "DataSet"]


@dataclass(frozen=True)
class DataSet:
    """Describe a data set of ``keras.datasets``; the names are those of its documentation.

    Args:
        name: Its module's name.
        classes: Its classes, in the order of their indices.
        shape: The shape of a picture: height and width, and 3 where it has colours.
        page_url: Its page.
        licence: Its licence, where it has one.
        author: Who made it.
    """

    name: str
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    page_url: str
    licence: str | None
    author: str

    def index(self, text: str) -> int | None:
        """Return the index of a class, or ``None`` where there is no such class.

        Args:
            text: Its name, in capital or small letters, with or without its signs; or its index.
        """
        wanted = _plain(text)
        return next(
            (index for index, name in enumerate(self.classes) if wanted in {_plain(name), str(index)}),
            None,
        )


_FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")

DATA_SETS = {
    data_set.name: data_set
    for data_set in (
        DataSet(
            "mnist",
            tuple("0123456789"),
            (28, 28),
            "https://keras.io/api/datasets/mnist/",
            "https://creativecommons.org/licenses/by-sa/3.0/",
            "Yann LeCun and Corinna Cortes",
        ),
        DataSet(
            "fashion_mnist",
            _FASHION,
            (28, 28),
            "https://keras.io/api/datasets/fashion_mnist/",
            "MIT",
            "Zalando SE",
        ),
        DataSet(
            "cifar10",
            ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
            (32, 32, 3),
            "https://keras.io/api/datasets/cifar10/",
            None,
            "Alex Krizhevsky, Vinod Nair and Geoffrey Hinton",
        ),
    )
}


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
