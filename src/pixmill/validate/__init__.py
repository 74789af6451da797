"""Validate: judge every picture, link near-duplicates, and stop at the gate what must not go on.

The pass over the pictures:

- ``survey``: all of it, from the cache or decoded; ``surveyed``: what it found; ``cache`` and ``record``: what is kept
- ``measures``: one guarded decode a picture; ``luma``, ``pixels``, ``greys`` and ``phash`` are made of it

Verdicts:

- ``reasons``: the vocabulary
- ``decisions``: what people decided in ``review.csv``
- ``sightings``: where each picture was seen
- ``verdicts``: the rules, first to last; ``twins``: those about pictures with the same pixels
- ``findings``: conflicts, placeholders and leaks

Near-duplicates:

- ``similarity``: how alike two pictures are
- ``neighbours``: all pairs; ``index`` and ``search``: how they are found; ``links``: what is kept of them
- ``families``: their groups

The gate:

- ``classes``: the table of classes
- ``tables``: what the gate looks at
- ``checks``: what is expected, see :mod:`pixmill.expectations`; ``wording``: what is said of it

For people:

- ``counts``: metrics
- ``dimensions``, ``distributions``, ``plots``: sizes and measures, as tables and as plots
- ``cards``: a picture as the report shows it; ``offenders``, ``doubtful``, ``alike``, ``sheets``: which ones it shows
- ``thumbnails``, ``page``: the report

``validation`` is the whole as one function.
"""

from pixmill.validate.counts import metrics
from pixmill.validate.decisions import Decision, read_decisions
from pixmill.validate.page import render_report
from pixmill.validate.plots import plot_tables
from pixmill.validate.sightings import SEEN
from pixmill.validate.validation import Validation, validate

__all__ = [
    "SEEN",
    "Decision",
    "Validation",
    "metrics",
    "plot_tables",
    "read_decisions",
    "render_report",
    "validate",
]
