"""The stage scrape: images from the web or from people, each with where it came from.

A source yields candidates, the crawl has them fetched by the collector, the judge says what came of each, the journal
keeps it, and the harvest streams it all into the tables.

- ``run``: the whole of it
- ``searches``, ``candidate``: who is asked for what, and what is shown
- ``sources/``: where images come from; ``sites/``: how pages of results are built
- ``crawl``, ``dispatch``, ``access``: asking the web through guarded ways out
- ``collector``, ``judge``, ``licences``: fetching candidates, and what is accepted; ``node_downloads``: on a cluster
- ``journal``, ``image_store``: what is not asked for again
- ``harvest``, ``tally``: the tables and the counts
- ``forecast``, ``site_probe``: ``pixmill scrape --dry-run`` and ``--probe``
"""

from pixmill.scrape.forecast import forecast
from pixmill.scrape.run import ScrapeResult, scrape
from pixmill.scrape.site_probe import ProbeReport, probe_source
from pixmill.scrape.tally import ScrapeTally

__all__ = [
    "ProbeReport",
    "ScrapeResult",
    "ScrapeTally",
    "forecast",
    "probe_source",
    "scrape",
]
