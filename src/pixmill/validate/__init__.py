"""Validate: judge every picture, link near-duplicates, and stop at the gate what must not go on.

The pass over the pictures:

- ``measures``: one guarded decode a picture; ``greys`` and ``phash`` are made of it

Verdicts:

- ``reasons``: the vocabulary
- ``decisions``: what people decided in ``review.csv``
- ``verdicts``: the rules, first to last
- ``similarity``: how alike two pictures are
- ``neighbours``: near-duplicates, and their groups

The gate:

- ``classes``: the table of classes
- ``checks``: what is expected
- ``expectations``: Great Expectations
- ``gate``: what stops the pipeline, in words

For people:

- ``counts``: metrics
- ``cards``, ``thumbnails``, ``page``: the report

``validation`` is the whole as one function.
"""

from pixmill.validate.counts import metrics
from pixmill.validate.decisions import Decision, read_decisions
from pixmill.validate.gate import gate_error
from pixmill.validate.page import render_report
from pixmill.validate.validation import Validation, validate

__all__ = ["Decision", "Validation", "gate_error", "metrics", "read_decisions", "render_report", "validate"]
