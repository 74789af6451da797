"""Fit the classifier that params.yaml describes, and record the run."""

from pixmill.train.stage import main
from stages import run

if __name__ == "__main__":
    run("train", main)
