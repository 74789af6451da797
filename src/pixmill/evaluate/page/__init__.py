"""The page of evaluate, ``reports/evaluate.html``."""
