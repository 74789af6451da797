"""How images are collected: sources are asked, candidates fetched and judged, and all of it written to tables.

A source yields candidates, the crawl has them fetched by the collector, the judge decides what becomes of each, the
journal remembers it, and the harvest streams it all into the tables.

- ``run``: the whole of it
- ``searches``: who is asked for what
- ``crawl``, ``dispatch``, ``access``: asking the web through guarded ways out
- ``collector``, ``judge``: fetching candidates, and what is accepted
- ``harvest``, ``tally``, ``remarks``: the tables, the counts, and what is said of them
- ``forecast``, ``site_probe``: ``pixmill scrape --dry-run`` and ``--probe``
"""
