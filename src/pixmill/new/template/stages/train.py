"""Fit the classifier that params.yaml describes, and record the run."""

from pixmill.pipeline.train import main
from stages import run

if __name__ == "__main__":
    run("train", main)
