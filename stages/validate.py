"""Check every scraped image, and stop the pipeline where a critical check fails."""

from pixmill.validate.stage import main
from stages import run

if __name__ == "__main__":
    run("validate", main)
