"""Whether a model at work still holds, from the log of its predictions."""

from pathlib import Path

LAST = Path(".pixmill", "watch", "last.json")
"""File with the last outcome, which the home page shows."""

RETRAIN = "dvc repro && pixmill promote"
"""What is advised once enough is labelled."""
