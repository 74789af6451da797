"""Assign each kept image to a split, check for leakage, and pack the splits."""

from pixmill.split.stage import main
from stages import run

if __name__ == "__main__":
    run("split", main)
