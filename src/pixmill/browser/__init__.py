"""A browser with its driver: found or installed, and opened in a cage it cannot leave."""

from pixmill.browser.finder import Browser, find_browser
from pixmill.browser.installer import install_browser
from pixmill.browser.session import open_browser

__all__ = ["Browser", "find_browser", "install_browser", "open_browser"]
