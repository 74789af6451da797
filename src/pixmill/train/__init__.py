"""The stage train: a classifier fitted to the packed pictures, the same bytes each time.

- ``training``: the stage's one function
- ``fitting``: epochs until it gets no better
- ``steps``: one step of training; ``feeding``: what it is given; ``precision``: what it computes with
- ``schedule``: the learning rate of each step
- ``history``: the figures of each epoch, and what follows from them
- ``checkpoint``: the last whole epoch, kept in ``arrays`` under the ``key`` of the training
- ``interruption``: signals that end a training between two steps
- ``folds``: the same model without a part of the pictures, to tell how much is luck
- ``curves``: the history as a figure and as a table; ``samples``: what the model saw
- ``record``: what takes the figures as they come
- ``heads``: what is fitted to the features of a frozen backbone; ``strategy``: where it is computed;
  ``memory``: what is said where it does not suffice
- ``page``: the stage's page
"""

from pixmill.train.curves import curves_csv, curves_figure
from pixmill.train.interruption import Interrupted
from pixmill.train.key import keep_checkpoints
from pixmill.train.page import render_report
from pixmill.train.record import log_epochs, log_folds
from pixmill.train.strategy import is_chief
from pixmill.train.training import Trained, train

__all__ = [
    "Interrupted",
    "Trained",
    "curves_csv",
    "curves_figure",
    "is_chief",
    "keep_checkpoints",
    "log_epochs",
    "log_folds",
    "render_report",
    "train",
]
