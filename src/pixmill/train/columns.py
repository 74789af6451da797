"""Minimise many functions of the same form at once, each by its own L-BFGS."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult

_MEMORY = 10
"""Number of steps that approximate the curvature, as in SciPy."""

_MAX_HALVINGS = 50

_SUFFICIENT = 1e-4
"""Share of the decrease along the slope that a step must reach (Armijo)."""

Array = npt.NDArray[np.float64]
Function = Callable[[Array], tuple[Array, Array]]


def minimise_columns(
    function: Function,
    start: Array,
    callback: Callable[[Array], None],
    *,
    iterations: int,
    tolerance: float,
) -> OptimizeResult:
    """Minimise convex functions of one column each.

    One L-BFGS over all columns takes several times as many iterations, since it measures their
    curvatures together; one for each column reads the features as often as there are columns: of 50
    labels, it took three times as long (``benchmarks/several_labels.py``).

    Source: Nocedal and Wright, "Numerical Optimization", 2006, section 7.2.

    Args:
        function: Takes all columns, flat; returns their values, shape (columns,), and their
            derivatives, flat.
        start: Shape (rows, columns).
        callback: Receives the point after each iteration, flat.
        iterations: Maximum number of iterations.
        tolerance: A column is done if no derivative exceeds this.
    """
    from scipy.optimize import OptimizeResult

    point = start
    value, flat = function(point.ravel())
    slope = flat.reshape(point.shape)
    steps: list[tuple[Array, Array, Array]] = []
    for _ in range(iterations):
        active = np.abs(slope).max(axis=0, initial=0) > tolerance
        if not active.any():
            return OptimizeResult(x=point.ravel(), success=True, message="")
        direction = -_newton(slope, steps) * active
        descent = (slope * direction).sum(axis=0)
        length = np.ones(point.shape[1])
        if not steps:
            length = 1 / np.maximum(np.linalg.norm(slope, axis=0), 1)
        for _ in range(_MAX_HALVINGS):
            moved = point + length * direction
            found, flat = function(moved.ravel())
            short = found > value + _SUFFICIENT * length * descent + 1e-14 * np.abs(value)
            if not short.any():
                break
            length = np.where(short, length / 2, length)
        new_slope = flat.reshape(point.shape)
        step = moved - point
        change = new_slope - slope
        steps = [*steps, (step, change, (step * change).sum(axis=0))][-_MEMORY:]
        point = moved
        value = found
        slope = new_slope
        callback(point.ravel())
    return OptimizeResult(x=point.ravel(), success=False, message=f"{iterations} iterations")


def _newton(slope: Array, steps: list[tuple[Array, Array, Array]]) -> Array:
    """Return the slope divided by the curvature that the steps show, column by column.

    Args:
        slope: Shape (rows, columns).
        steps: Each with the change of the slope, and the product of both by column.
    """
    left = slope.copy()
    shares = []
    for step, change, product in reversed(steps):
        share = (step * left).sum(axis=0) * _inverse(product)
        shares.append(share)
        left -= share * change
    if steps:
        _, change, product = steps[-1]
        scale = product * _inverse((change * change).sum(axis=0))
        left *= np.where(scale > 0, scale, 1)
    for (step, change, product), share in zip(steps, reversed(shares), strict=True):
        left += (share - (change * left).sum(axis=0) * _inverse(product)) * step
    return left


def _inverse(values: Array) -> Array:
    """Return inverses; 0 for what is not positive."""
    return np.where(values > 0, 1 / np.where(values > 0, values, 1), 0.0)
