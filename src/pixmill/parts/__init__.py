"""The packed parts of a split: the arrays that the stage split writes, and train and evaluate read.

- ``part``: the pictures of one part with their ids, labels and targets
- ``shards``: pixels in several files that index like one array
- ``header``: the small JSON file that says what lies in which file
"""

from pixmill.parts.part import PARTS, Part, PartName, load_parts
from pixmill.parts.shards import Shards

__all__ = ["PARTS", "Part", "PartName", "Shards", "load_parts"]
