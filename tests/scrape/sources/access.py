"""The ways out that a search is given, in tests: one browser for all searches, and a folder for what it saw."""

import contextlib

from pixmill.scrape.sources.failure import save_evidence
from pixmill.web.fetch import Refused


class OneBrowser:
    """Lend one browser to one search after another."""

    def __init__(self, driver, folder, forbidden=(), journal=None):
        self.journal = journal
        self.driver, self.folder, self.forbidden = driver, folder, forbidden

    def find_refusal(self, url):
        return Refused("robots") if any(part in url for part in self.forbidden) else None

    def ask(self, url):
        raise AssertionError(f"no API is asked: {url}")

    def browser(self):
        return contextlib.nullcontext(self.driver)

    def witness(self, driver, _query):
        return str(save_evidence(driver, self.folder))
