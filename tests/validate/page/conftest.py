"""The fixtures of validate's own tests."""

from tests.validate.conftest import scrape

__all__ = ["scrape"]
