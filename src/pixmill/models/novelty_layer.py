"""The Keras layer that computes the novelty; importing this module imports Keras."""

from typing import Any

from pixmill.models.novelty import MIN_LENGTH
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
        """Return the share that the directions do not explain, by the distance if there is one."""
        parts = self.parts
        last = features[:, -self.shapes["mean"][0] :]
        whole, along = _squares(last, parts["mean"], parts["scale"], parts["directions"])
        novelty = 1 - _total(along) / keras.ops.maximum(_total(whole), MIN_LENGTH)
        if "whole_mean" not in parts:
            return novelty
        whole, along = _squares(
            features, parts["whole_mean"], parts["whole_scale"], parts["whole_directions"]
        )
        novelty *= _total(whole) + keras.ops.matmul(along, parts["whole_weights"][:, None])
        return novelty / (1 + novelty)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "shapes": self.shapes}


def _squares(features: Any, mean: Any, scale: Any, directions: Any) -> tuple[Any, Any]:
    """Return the squares of standardised features, and of these along directions."""
    standard = (features - mean) * scale
    return standard**2, keras.ops.matmul(standard, directions) ** 2


def _total(values: Any) -> Any:
    """Return sums of rows; matrix products sum in the same order on every processor."""
    return keras.ops.matmul(values, keras.ops.ones((values.shape[1], 1)))
