"""Exports of the model for other runtimes, with a model card."""
