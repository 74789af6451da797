"""The Keras layer that computes the novelty; importing this module imports Keras."""

from typing import Any

from pixmill.models.novelty import MIN_LENGTH
from pixmill.models.tensorflow import keras


class NoveltyLayer(keras.layers.Layer):  # type: ignore[misc]
    """Compute the novelty of features: shape (n, features) in, (n, 1) out.

    Args:
        width: Number of last features that are used.
        directions: Number of principal directions.
        options: Arguments of the base class.
    """

    def __init__(self, width: int, directions: int, **options: Any) -> None:
        super().__init__(**options)
        self.width = width
        self.directions = directions

    def build(self, _: Any) -> None:
        """Create the weights, in the order of :class:`pixmill.models.novelty.Novelty`."""
        shapes = {
            "mean": (self.width,),
            "scale": (self.width,),
            "kernel": (self.width, self.directions),
        }
        self.mean, self.scale, self.kernel = (
            self.add_weight(shape=shape, name=name, trainable=False)
            for name, shape in shapes.items()
        )
        self.built = True

    def call(self, features: Any) -> Any:
        """Return the share of the squared length that the directions do not explain."""
        standard = (features[:, -self.width :] - self.mean) * self.scale
        explained = keras.ops.matmul(standard, self.kernel)
        # Matrix products sum in the same order on every processor.
        whole = keras.ops.matmul(standard * standard, keras.ops.ones((self.width, 1)))
        part = keras.ops.matmul(explained * explained, keras.ops.ones((self.directions, 1)))
        return 1 - part / keras.ops.maximum(whole, MIN_LENGTH)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "width": self.width, "directions": self.directions}
