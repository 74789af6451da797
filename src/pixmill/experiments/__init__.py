"""Experiments: two versions or many, which is better, and whether the gate passes."""
