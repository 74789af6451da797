"""The split stage: assign each kept image to train, val or test, and pack the images of each split.

- ``grouping``: split and fold of an image, from a salted hash; groups and clusters of images that
  stay together
- ``straddling``: images dropped because they would leak between splits
- ``checks``: the checks, see :mod:`pixmill.core.expectations`
- ``splitting``: the entry point, with its metrics
- ``packing``: resizes and compresses images
"""
