"""Processes: signals, progress, threads, and how a stage runs."""
