"""The stage split: which part each kept picture belongs to, and the packed pictures of each part.

Where pictures belong:

- ``assignment``: a picture's part and fold, from a salted hash
- ``grouping``: what stays together; ``clusters``: that, and near-duplicates
- ``straddling``: what would lie on two sides
- ``reasons``: why a picture was dropped here
- ``gaps``: classes without a picture in some part
- ``checks``: what is expected, see :mod:`pixmill.expectations`
- ``splitting``: all of this as one function

What is made of it:

- ``packing``: pictures as memory-mappable shards
- ``counts``: metrics and plots
- ``cards``, ``page``: the report
"""

from pixmill.split.counts import metrics, plot_table, summary
from pixmill.split.gaps import gap_error
from pixmill.split.packing import pack
from pixmill.split.page import render_report
from pixmill.split.splitting import Split, split

__all__ = ["Split", "gap_error", "metrics", "pack", "plot_table", "render_report", "split", "summary"]
