"""The page of validate, ``reports/validate.html``."""
