"""Run the stage with a shop that writes down who asked for what."""

from functools import partial
from pathlib import Path

from pixmill.scrape.sources import shop
from stages import run
from stages.scrape import main

shop.Shop = partial(shop.Shop, log=Path("requests.log"))
run("scrape", main)
