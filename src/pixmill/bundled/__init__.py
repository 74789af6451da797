"""The bundled pictures: fill an empty ``data/`` with real product photographs, the same bytes on every machine.

They are the first 250 training pictures of five classes of Fashion-MNIST (MIT licence, Zalando SE): 28 by 28 grey
values on black, here enlarged to 112 by 112 and inverted to dark on white, as a shop shows them. In this package:

- ``collection``: Fashion-MNIST, from Debian's package or from Keras, checked
- ``pictures``: the choice of pictures, enlarged and written as PNG
- ``folder``: ``data/``, filled and recorded by DVC
"""

from pixmill.bundled.folder import commit_data, make_data
from pixmill.bundled.pictures import CLASSES, PER_CLASS

__all__ = ["CLASSES", "PER_CLASS", "commit_data", "make_data"]
