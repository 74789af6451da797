"""Predictions for any images: find the model, stream the images, write tables and a gallery."""
