"""Run the stage in a network of replicas: ``python driver.py network.json``."""

import sys
from functools import partial
from pathlib import Path

from pixmill.core.process.stage import run
from pixmill.scrape import stage as scrape
from tests.scrape.replicas.world import read_network

scrape.scrape = partial(
    scrape.scrape, network=read_network(Path(sys.argv[1]).read_text(encoding="utf-8"))
)
run("scrape", scrape.main)
