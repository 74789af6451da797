"""Collecting images: plan searches, fetch candidates, and write the tables.

Sources yield candidates. The crawl passes them to the collector, which fetches them. The judge accepts or refuses the
result, and the journal stores it. The harvest then reads the journal in order and writes the tables.

- ``run``: entry point
- ``searches``: the searches of a scrape
- ``crawl``, ``access``: running searches; guarded network access
- ``collector``, ``judge``: fetching; accepting and refusing
- ``harvest``, ``tally``: tables; counts and remarks
- ``forecast``, ``site_probe``: ``pixmill scrape --dry-run`` and ``--probe``
"""
