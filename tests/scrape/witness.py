"""Run the stage with a shop that writes down who asked for what: the agent, a tab, the path."""

from pathlib import Path

from pixmill.shop import server
from stages import run
from stages.scrape import main


class Witness(server._Handler):
    def log_request(self, code="-", size="-"):
        super().log_request(code, size)
        with Path("requests.log").open("a") as log:
            log.write(f"{self.headers.get('User-Agent', '')}\t{self.path}\n")


server._Handler = Witness
run("scrape", main)
