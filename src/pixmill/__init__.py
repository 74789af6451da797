"""Mill images from the web into a reviewed image classifier."""

from pixmill.core.process.arithmetic import fix_arithmetic

__version__ = "0.1.0"

fix_arithmetic()  # Before anything loads NumPy.
