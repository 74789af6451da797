"""The stage train: a classifier fitted to the packed pictures, the same bytes each time.

- ``part``: one part's pictures and labels, by memory map
- ``fitting``: epochs until it gets no better
- ``history``: the figures of each epoch, and what follows from them
- ``curves``: the history as a figure and as a table
- ``training``: the stage's one function
- ``page``: the stage's page
"""

from pixmill.train.curves import curves_csv, curves_figure
from pixmill.train.page import train_page
from pixmill.train.training import Trained, train

__all__ = ["Trained", "curves_csv", "curves_figure", "train", "train_page"]
