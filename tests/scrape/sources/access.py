"""Access for searches in tests: one shared browser, and a folder for failed pages."""

import contextlib

from pixmill.fetch import Refused
from pixmill.scrape.sources.source import save_evidence


class OneBrowser:
    """Access that always gives the same browser."""

    def __init__(self, driver, folder, forbidden=(), journal=None):
        self.journal = journal
        self.driver = driver
        self.folder = folder
        self.forbidden = forbidden

    def find_refusal(self, url):
        return Refused("robots") if any(part in url for part in self.forbidden) else None

    def ask(self, url):
        raise AssertionError(f"no API is asked: {url}")

    def browser(self):
        return contextlib.nullcontext(self.driver)

    def save_failure_page(self, driver, _query):
        return str(save_evidence(driver, self.folder))
