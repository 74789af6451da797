"""The stage train: a classifier fitted to the packed pictures, the same bytes each time.

- ``fitting``: epochs until it gets no better
- ``history``: the figures of each epoch, and what follows from them
- ``curves``: the history as a figure and as a table
- ``training``: the stage's one function
- ``page``: the stage's page
"""

from pixmill.train.curves import curves_csv, curves_figure
from pixmill.train.page import render_report
from pixmill.train.training import Trained, train

__all__ = ["Trained", "curves_csv", "curves_figure", "render_report", "train"]
