"""The gallery: what a model predicts for many images, as one page to look through."""

from pixmill.pages.predict.page import Facts, render_gallery

__all__ = ["Facts", "render_gallery"]
