"""Collect the images: from the web through browsers and public APIs, or from local files."""

from pixmill.scrape.stage import main
from stages import run

if __name__ == "__main__":
    run("scrape", main)
