"""Logistic regression on features that are read block by block and never copied."""

import math
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from pixmill.core.params import TrainParams
from pixmill.core.process.progress import Progress, announce
from pixmill.core.words import percent
from pixmill.heads import ONE_LABEL, Head
from pixmill.heads.head import Fit, Targets
from pixmill.models.layers import several_layers
from pixmill.models.scaling import BLOCK_ROWS, Features, Scaling
from pixmill.train.columns import Array, minimise_columns
from pixmill.train.history import Epoch, Timing

_MAX_ITERATIONS = 1000
"""Maximum iterations of the solver."""

_TOLERANCES = {"maxls": 50, "gtol": 1e-4, "ftol": 64 * np.finfo(float).eps}
"""Limits and tolerances of scikit-learn 1.7."""


class Logistic(NamedTuple):
    """A fitted logistic regression for unscaled features.

    Args:
        kernel: ``float32`` of shape (width, labels).
        bias: ``float32`` of shape (labels,).
        history: Metrics after each iteration of the solver; the last entry describes the result.
        timings: End and duration of each iteration.
    """

    kernel: Features
    bias: Features
    history: list[Epoch]
    timings: list[Timing]


def fit_logistic(
    features: Features,
    targets: Targets,
    params: TrainParams,
    *,
    head: Head = ONE_LABEL,
    labels: int,
    validation: tuple[Features, Targets] | None = None,
    title: str = "Train",
) -> Logistic:
    """Fit a logistic regression to scaled features, and fold the scaling into its weights.

    L-BFGS minimises the convex objective of scikit-learn's ``LogisticRegression``. SciPy is called
    directly, since scikit-learn copies the features and does not report iterations. Each evaluation
    of the objective reads the features once, 512 images at a time per thread, so memory does not
    grow with the number of images. Blocks are summed in a fixed order, so the result does not
    depend on the number of threads.

    Args:
        features: Shape (n, width), in memory or in a mapped file.
        targets: What each image shows.
        params: The section ``train``.
        head: Their loss.
        labels: Number of outputs.
        validation: Features and targets that validate each iteration. Default: none; the history
            then has NaN as validation metrics.
        title: Label of the progress bar.

    Raises:
        TrainError: A feature is not finite.
    """
    from threadpoolctl import threadpool_limits

    scaling = Scaling.of(features, several=several_layers(params))
    history: list[Epoch] = []
    timings: list[Timing] = []
    start = time.monotonic()

    def report(solution: Array) -> None:
        nonlocal start
        train_loss, train_accuracy = objective.figures(solution)
        note = f"loss {train_loss:.3f}"
        val_loss = val_accuracy = math.nan
        if validation is not None:
            val_loss, val_accuracy = objective.validate(solution, *validation)
            note += f", validation accuracy {percent(val_accuracy)}"
        history.append(Epoch(len(history) + 1, train_loss, train_accuracy, val_loss, val_accuracy))
        seconds = time.monotonic() - start
        start = time.monotonic()
        timings.append(Timing(int(time.time() * 1000), seconds, len(targets) / max(seconds, 1e-9)))
        progress.advance(1, note)

    # Matrix products use one thread each.
    with (
        threadpool_limits(1),
        ThreadPoolExecutor(params.threads) as pool,
        Progress(title, unit="iteration") as progress,
    ):
        fit = head.fit(targets, labels, balanced=params.class_weights)
        objective = _Objective(features, fit, scaling, params, head, pool)
        result = objective.minimise(report)
        if (
            progress.done == 0
        ):  # No iteration: there is only one class, or all features are constant.
            report(result.x)
    if not result.success:
        announce(
            f"train: the logistic regression did not converge ({result.message}); its last "
            "solution is used. "
            "If the accuracy is low, try a smaller train.features.inverse_regularization"
        )
    kernel, bias = objective.layer(result.x)
    return Logistic(kernel.astype(np.float32), bias.astype(np.float32), history, timings)


class _Objective:
    """The loss of a linear model with an L2 penalty, and its gradient.

    The scaling is folded into the layer instead of applied to the features, which is faster and
    equally exact in double precision.

    Args:
        features: Shape (n, width).
        fit: The loss.
        scaling: Scaling of the features.
        params: The section ``train``.
        head: What the model answers.
        pool: Threads that compute the blocks.
    """

    def __init__(
        self,
        features: Features,
        fit: Fit,
        scaling: Scaling,
        params: TrainParams,
        head: Head,
        pool: Executor,
    ) -> None:
        self._features = features
        self._fit = fit
        self._scaling = scaling
        self._head = head
        self._pool = pool
        c = params.features.inverse_regularization
        # Several layers have more features.
        self._c = c if c is not None else 0.005 if several_layers(params) else 0.01
        self._last: tuple[Array, tuple[float, float]] | None = None

    def minimise(self, callback: Callable[[Array], None]) -> Any:
        """Return SciPy's result; the callback receives the solution of each iteration."""
        from scipy.optimize import minimize

        start = np.zeros((len(self._scaling.mean) + 1) * len(self._fit.outputs))
        if self._fit.separate:
            return minimise_columns(
                self,
                start.reshape(-1, len(self._fit.outputs)),
                callback,
                iterations=_MAX_ITERATIONS,
                tolerance=_TOLERANCES["gtol"],
            )
        options = {"maxiter": _MAX_ITERATIONS, **_TOLERANCES}
        return minimize(
            self, start, method="L-BFGS-B", jac=True, callback=callback, options=options
        )

    def layer(self, solution: Array) -> tuple[Array, Array]:
        """Return kernel and bias on raw features, for all labels."""
        bias = self._fit.absent.copy()
        kernel = np.zeros((len(self._scaling.mean), len(bias)))
        outputs = self._fit.outputs
        kernel[:, outputs], bias[outputs] = self._parts(solution)
        return self._scaling.fold_into(kernel, bias)

    def figures(self, solution: Array) -> tuple[float, float]:
        """Return mean loss and accuracy on the training images, without penalty."""
        if self._last is None or not np.array_equal(self._last[0], solution):
            self(solution)
        assert self._last is not None
        return self._last[1]

    def validate(
        self, solution: Array, features: Features, targets: Targets
    ) -> tuple[float, float]:
        """Return mean loss and accuracy on other images."""
        kernel, bias = self.layer(solution)
        sums = np.zeros(3)
        for start in range(0, len(features), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            logits = features[block].astype(np.float64, copy=False) @ kernel + bias
            sums += self._head.figures(logits, targets[block])
        loss, accuracy = sums[:2] / max(sums[2], 1)
        return float(loss), float(accuracy)

    def __call__(self, solution: Array) -> tuple[Any, Array]:
        kernel, bias = self._parts(solution)
        compute = partial(self._block, *self._scaling.fold_into(kernel, bias))
        figures = np.zeros(3)
        loss: Any = 0.0
        slopes = np.zeros_like(kernel)
        sums = np.zeros_like(bias)
        for parts in self._pool.map(compute, range(0, len(self._features), BLOCK_ROWS)):
            figures += parts[0]
            loss += parts[1]
            slopes += parts[2]
            sums += parts[3]
        mean_loss, accuracy = figures[:2] / max(figures[2], 1)
        self._last = solution.copy(), (float(mean_loss), float(accuracy))
        penalty, slope = self._fit.penalise(kernel, self._c)
        loss += penalty
        scaled = (slopes - np.outer(self._scaling.mean, sums)) / self._scaling.deviation[:, None]
        return loss, np.vstack([scaled + slope, sums]).ravel()

    def _block(self, kernel: Array, bias: Array, start: int) -> tuple[Array, Any, Array, Array]:
        """Return a block's figures, weighted loss, and gradients of kernel and bias."""
        rows = slice(start, start + BLOCK_ROWS)
        features = self._features[rows].astype(np.float64)
        figures, loss, errors = self._fit.block(features @ kernel + bias, rows)
        return figures, loss, features.T @ errors, errors.sum(axis=0)

    def _parts(self, solution: Array) -> tuple[Array, Array]:
        """Return kernel and bias on scaled features, for the outputs that are fitted."""
        both = solution.reshape(-1, len(self._fit.outputs))
        return both[:-1], both[-1]
