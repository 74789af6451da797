"""The conclusion from a learning curve: the gain from more images, and its sentence on pages."""

from dataclasses import dataclass

_MIN_GAIN = 0.005
"""Minimum gain in accuracy, half a point, that is worth labelling twice as many images."""

UNMEASURED = (
    "Whether more images would help was not measured; only logistic regression has a learning "
    "curve, with train.learning_curve: auto."
)
"""The sentence without a learning curve."""


@dataclass(frozen=True)
class Growth:
    """The gain in accuracy from doubling the training set, with its 95 % CI.

    >>> Growth(0.021, 0.008, 0.035).sentence()
    'Twice as many images would add about 2.1 points of accuracy (95 % CI +0.8 to +3.5).'

    Args:
        gain: Slope of the accuracy over the binary logarithm of the number of images, from 40 % of
            the images on.
        low: Lower limit of the CI, by bootstrap over clusters of the measured images.
        high: Upper limit of the CI.
    """

    gain: float
    low: float
    high: float

    @property
    def helps(self) -> bool:
        """Whether more images clearly help."""
        return self.low > 0 and self.gain >= _MIN_GAIN

    def sentence(self) -> str:
        """Return the conclusion as a sentence."""
        limits = " to ".join(
            f"{round(100 * limit, 1) + 0.0:+.1f}" for limit in (self.low, self.high)
        )
        limits = limits.replace("-", "\u2212")
        if self.helps:
            return (
                f"Twice as many images would add about {100 * self.gain:.1f} points of accuracy "
                f"(95 % CI {limits})."
            )
        expected = f"twice as many would change the accuracy by {limits} points (95 % CI)"
        if self.high < 2 * _MIN_GAIN:
            return f"More images of the same kind would not help: {expected}."
        return f"Whether more images would help is unclear: {expected}."
