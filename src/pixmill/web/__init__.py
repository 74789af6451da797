"""The web: fetching, the browser, and the bundled shop."""
