"""Images: format detection, safe decoding, measurements, near-duplicates, resizing and packing.

- ``verified_reading``: reads regular files only; ``listing``: the files of a folder tree
- ``formats``: detects the format of bytes
- ``read_errors``: reasons, each with its meaning and the next step
- ``decode``: bytes to RGB pixels, or a reason
- ``display``: orientation and transparency
- ``depth``: images of more than 8 bits
- ``measures``: measurements of one decoded image; ``records``: as bytes, and the pass over images
- ``likeness``: near-duplicate search
- ``fit``: pixels to the model's square input, and to thumbnails
- ``parts``: packed splits
- ``idx``: IDX files, the format of MNIST and similar datasets
- ``png``: pixels to a PNG whose bytes do not depend on a compressor
"""
