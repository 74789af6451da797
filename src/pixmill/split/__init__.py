"""The stage split: which part each kept picture belongs to, and the packed pictures of each part.

- ``assignment``: a picture's part, from a salted hash of its own id
- ``straddling``: near-duplicate pairs that would lie on both sides
- ``packing``: pictures as memory-mappable arrays
- ``splitting``: the stage's one function
"""

from pixmill.split.splitting import Split, split

__all__ = ["Split", "split"]
