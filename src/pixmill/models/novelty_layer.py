"""The Keras layer that computes the novelty; importing this module imports Keras."""

from typing import Any

from pixmill.models.novelty import compute
from pixmill.models.tensorflow import keras


class NoveltyLayer(keras.layers.Layer):  # type: ignore[misc]
    """Compute the novelty of features: shape (n, features) in, (n, 1) out.

    Args:
        shapes: Shapes of the parameters of :class:`pixmill.models.novelty.Novelty` by name, in
            their order.
        options: Arguments of the base class.
    """

    def __init__(self, shapes: dict[str, list[int]], **options: Any) -> None:
        super().__init__(**options)
        self.shapes = shapes

    def build(self, _: Any) -> None:
        """Create the weights, in the order of the shapes."""
        self.parts = {
            name: self.add_weight(shape=shape, name=name, trainable=False)
            for name, shape in self.shapes.items()
        }
        self.built = True

    def call(self, features: Any) -> Any:
        """Return the novelty of each image."""
        return compute(features, self.parts)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "shapes": self.shapes}
