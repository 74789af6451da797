"""The gallery: what a model predicts for many images, as one page to look through."""
