"""The stage scrape: pictures from the web or from people, each with where it came from.

- ``run``: the whole of it
- ``candidate``, ``sighting``: a picture that a source shows, and what came of it
- ``sources/``: where pictures come from; ``sites/``: how pages of results are built; ``plan``: who is asked for what
- ``crawl``, ``handover``, ``collector``: asking the web, and fetching what it shows
- ``access``, ``equipment``: the guarded ways out
- ``journal``, ``index``, ``shelf``, ``pictures``: what is not asked for again
- ``ledger``, ``junk``, ``licences``: what is a picture, and which may be taken
- ``harvest``, ``tables``: all that was found, streamed into the manifest and the sightings
- ``account``, ``examples``, ``report``, ``board``: what came of it, for programs and for people
- ``forecast``, ``probe``: looking ahead, and into a page
"""

from pixmill.scrape.account import Account
from pixmill.scrape.forecast import Forecast, forecast
from pixmill.scrape.probe import ProbeReport, probe_source
from pixmill.scrape.report import render_report
from pixmill.scrape.run import ScrapeResult, scrape

__all__ = [
    "Account",
    "Forecast",
    "ProbeReport",
    "ScrapeResult",
    "forecast",
    "probe_source",
    "render_report",
    "scrape",
]
