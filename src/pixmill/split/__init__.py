"""The stage split: which part each kept image belongs to, and the packed images of each part.

- ``assignment``: an image's part and fold, from a salted hash
- ``grouping``: what stays together
- ``straddling``: what would lie on two sides, and the reasons why an image is dropped here
- ``checks``: what is expected, see :mod:`pixmill.core.expectations`
- ``splitting``: all of this as one function, with its metrics
- ``packing``: images as memory-mappable shards
"""

from pixmill.split.packing import pack
from pixmill.split.splitting import Split, metrics, plot_table, split, summary

__all__ = ["Split", "metrics", "pack", "plot_table", "split", "summary"]
