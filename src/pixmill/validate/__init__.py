"""Validate: judge every image, link near-duplicates, and run the checks.

- ``survey``: the one pass over all images, each from the cache or measured (:mod:`pixmill.images.measures`)
- ``reasons``: the vocabulary of why an image is dropped
- ``decisions``: what people decided in ``review.csv``
- ``sightings``: where each image was seen
- ``verdicts``: the rules, first to last
- ``findings``: conflicts, placeholders and leaks
- ``tables``: the tables of the checks; ``checks``: the checks, see :mod:`pixmill.core.expectations`
- ``statistics``: metrics and plots
- ``validation``: the whole as one function
"""

from pixmill.core.expectations import Check, Table
from pixmill.validate.decisions import Decision, read_decisions
from pixmill.validate.sightings import SEEN
from pixmill.validate.statistics import metrics, plot_tables
from pixmill.validate.validation import Validation, validate

__all__ = [
    "SEEN",
    "Check",
    "Decision",
    "Table",
    "Validation",
    "metrics",
    "plot_tables",
    "read_decisions",
    "validate",
]
