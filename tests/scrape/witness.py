"""Run the stage with a shop that writes down who asked for what."""

from pathlib import Path

from pixmill.pipeline import run
from pixmill.pipeline.scrape import main
from pixmill.scrape.sources import shop
from pixmill.web.shop import Shop

LOG = Path("requests.log").absolute()


class LoggedShop(Shop):
    def __init__(self, data):
        super().__init__(data)
        handler = self.RequestHandlerClass

        class Recorder(handler):
            def log_request(self, code, *_):
                with self.server.lock, LOG.open("a", encoding="utf-8") as log:
                    log.write(f"{int(code)} {self.command} {self.path}\t{self.headers.get('User-Agent', '')}\n")

        self.RequestHandlerClass = Recorder


shop.Shop = LoggedShop
run("scrape", main)
