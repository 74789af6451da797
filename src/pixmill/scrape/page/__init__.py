"""The page of scrape, ``reports/scrape.html``."""
