"""The page of split, ``reports/split.html``."""
