"""The split stage: assign each kept image to train, val or test, and pack the images of each split.

- ``assignment``: split and fold of an image, from a salted hash
- ``grouping``: groups and clusters of images that stay together
- ``straddling``: images dropped because they would leak between splits
- ``checks``: the checks, see :mod:`pixmill.core.expectations`
- ``splitting``: the entry point, with its metrics
- ``packing``: resizes and compresses images
"""

from pixmill.split.packing import pack
from pixmill.split.splitting import Split, metrics, plot_table, split, summary

__all__ = ["Split", "metrics", "pack", "plot_table", "split", "summary"]
