"""The gallery: what a model predicts for many images, as one page to look through."""

from pixmill.pages.predict.page import render_gallery

__all__ = ["render_gallery"]
