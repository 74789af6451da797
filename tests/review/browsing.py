"""The review page in a real browser."""

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from pixmill.core.decisions import read_rows


class Page:
    """The page of a project without decisions, at its first case.

    Args:
        browser: The browser.
        project: A project with ``running``, a review that has an ``address``; ``decisions``, the
            path of ``decisions.csv``; and ``names`` of images for :meth:`said`.
    """

    def __init__(self, browser, project):
        self.browser = browser
        self.project = project
        project.decisions.unlink(missing_ok=True)
        browser.get(project.running.address)
        self.until(lambda _: self.loaded())
        self.rest()
        browser.get_log("browser")

    def until(self, condition):
        return WebDriverWait(self.browser, 60, poll_frequency=0.05).until(condition)

    def run(self, script, *values):
        return self.browser.execute_script(f"return {script}", *values)

    def loaded(self):
        return self.run(
            "document.images.length > 0 && [...document.images].every(i => i.naturalWidth > 0)"
        )

    def press(self, *keys):
        """Press keys, and wait for the effect of each."""
        for key in keys:
            ActionChains(self.browser).send_keys(key).perform()
            self.rest()

    def rest(self):
        """Wait until no request is running."""
        self.until(
            lambda _: (
                self.run("document.querySelector('main').getAttribute('aria-busy')") == "false"
            )
        )

    def text(self, name):
        return self.browser.find_element(By.ID, name).text

    def button(self, act):
        found = self.browser.find_elements(By.CSS_SELECTOR, f"[data-act={act}]")
        return next(item for item in found if item.is_displayed())

    def said(self):
        """Return what is decided by test name of the image, such as ``yes coat``."""
        words = {name: word for word, name in self.project.names.items()}
        found = {}
        for row in read_rows(self.project.decisions):
            found.setdefault(words[row.image], set()).add(str(row))
        return found

    def cards(self):
        return [
            item.get_attribute("data-id")
            for item in self.browser.find_elements(By.CSS_SELECTOR, "article.card")
        ]
