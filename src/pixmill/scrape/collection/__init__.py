"""Collecting images: plan searches, fetch candidates, and write the tables.

Sources yield candidates. The crawl passes them to the collector, which fetches them. The judge
accepts or refuses the result, and the journal stores it. The harvest then reads the journal in
order and writes the tables.

- ``run``: entry point, and the tables
- ``searches``: the searches of a scrape
- ``crawl``, ``access``: running searches; guarded network access
- ``collector``: fetching, accepting and refusing
- ``tally``: counts and remarks
- ``preview``: ``pixmill scrape --dry-run`` and ``--probe``
"""
