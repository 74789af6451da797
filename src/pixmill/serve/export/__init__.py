"""Exports: the model for other runtimes, and its card."""
