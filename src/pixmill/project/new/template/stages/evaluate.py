"""Evaluate the trained classifier: metrics, predictions per image, and error analysis."""

from pixmill.evaluate.stage import main
from stages import run

if __name__ == "__main__":
    run("evaluate", main)
