"""The split stage: assign each kept image to train, val or test, and pack the images of each split.

- ``assignment``: an image's split and fold, from a salted hash
- ``grouping``: what stays together
- ``straddling``: what would be in two splits, and the reasons why an image is dropped here
- ``checks``: the checks, see :mod:`pixmill.core.expectations`
- ``splitting``: all of this as one function, with its metrics
- ``packing``: images resized and compressed
"""

from pixmill.split.packing import pack
from pixmill.split.splitting import Split, metrics, plot_table, split, summary

__all__ = ["Split", "metrics", "pack", "plot_table", "split", "summary"]
