"""Mill images from the web into a reviewed image classifier."""

__version__ = "0.1.0"
