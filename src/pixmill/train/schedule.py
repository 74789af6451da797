"""How the learning rate goes on from step to step: a function of the params and the history alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pixmill.params import TrainParams
from pixmill.train.history import Epoch, is_better

__all__ = ["rate"]


def rate(params: TrainParams, history: Sequence[Epoch], epoch: int, step: int, steps: int) -> float:
    """Return the learning rate of one step.

    It first rises in a straight line, so that the last step of the warm-up has the whole rate; then it follows the
    schedule. Nothing is remembered between two calls: a training that goes on from a checkpoint has the same rates.

    Args:
        params: The section ``train``.
        history: The epochs before this one.
        epoch: The epoch's number, from 1.
        step: The step's number within the epoch, from 0.
        steps: Steps in an epoch.
    """
    schedule = params.schedule
    whole = params.learning_rate
    if epoch <= schedule.warmup:
        return whole * (epoch - 1 + (step + 1) / steps) / schedule.warmup
    if schedule.name == "cosine":
        done = (epoch - 1 + step / steps - schedule.warmup) / max(1, params.epochs - schedule.warmup)
        return whole * (schedule.floor + (1 - schedule.floor) * (1 + math.cos(math.pi * min(1.0, done))) / 2)
    if schedule.name == "plateau":
        return whole * max(schedule.floor, schedule.factor ** _reductions(params, history))
    return whole


def _reductions(params: TrainParams, history: Sequence[Epoch]) -> int:
    """Count how often it went on without a better epoch for as long as ``schedule.patience`` says.

    Epochs of the warm-up may be the best ones, but nothing is held against them.
    """
    reductions = waited = 0
    best: Epoch | None = None
    for epoch in history:
        if best is None or is_better(epoch, best, params.monitor):
            best, waited = epoch, 0
        elif epoch.epoch > params.schedule.warmup:
            waited += 1
            if waited == params.schedule.patience:
                reductions, waited = reductions + 1, 0
    return reductions
