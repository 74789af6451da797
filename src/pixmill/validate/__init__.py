"""Validate: judge every image, link near-duplicates, and run the checks.

- ``survey``: measures all images, with a cache (:mod:`pixmill.images.measures`)
- ``reasons``: reasons for dropping an image
- ``decisions``: decisions in ``review.csv``
- ``sightings``: URLs, labels and predefined splits of each image
- ``verdicts``: the rules that keep or drop an image
- ``findings``: conflicts, placeholders and leaks
- ``tables``: the tables of the checks; ``checks``: the checks, see :mod:`pixmill.core.expectations`
- ``statistics``: metrics and plots
- ``validation``: the entry point
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
