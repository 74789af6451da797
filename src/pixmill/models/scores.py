"""The graph that is fitted: a classifier up to what its loss reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.models.head import SCORES

if TYPE_CHECKING:
    import keras

__all__ = ["scores_graph"]


def scores_graph(classifier: keras.Model) -> keras.Model:
    """Return a graph of the classifier's own layers that ends where :func:`pixmill.models.objective` reads.

    These are probabilities for a softmax end. For the others they are the values before sigmoid or softmax: the loss
    of those neither overflows nor vanishes. Either way the largest is the class that is told.

    Args:
        classifier: What is to be fitted; what is trained here is trained there.
    """
    import keras

    end = next((layer for layer in classifier.layers if layer.name == SCORES), classifier)
    return keras.Model(classifier.input, end.output, name="scores")
