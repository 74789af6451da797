"""Validate: judge every image, link near-duplicates, and run the checks.

- ``survey``: measures all images, with a cache (:mod:`pixmill.images.measures`)
- ``reasons``: reasons for dropping an image
- ``sightings``: URLs, labels and predefined splits of each image
- ``verdicts``: the rules that keep or drop an image
- ``tables``: the tables of the checks, with blur, conflicts, placeholders, leaks and look-alikes
- ``checks``: the checks, see :mod:`pixmill.core.expectations`
- ``series``: images that belong together, such as frames of clips or augmented copies
- ``statistics``: metrics and plots
- ``validation``: the entry point
"""

from pixmill.core.expectations import Check, Table

__all__ = ["Check", "Table"]
