"""Sources that a test makes up, and the web server that has their images."""

from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.sources import SearchError
from pixmill.web.fetch import Network
from tests.web.fetch.conftest import Site

__all__ = ["HOST", "Invented", "Web", "url_of"]

HOST = "invented.test"


def url_of(path):
    """Return the address of a path of the server."""
    return f"http://{HOST}/{path}"


class Web(Site):
    """The server of one host, with a log: what a test puts into ``answers`` by path, 404 elsewhere."""

    @property
    def network(self):
        """The network in which the host is this server."""
        return Network(served={f"{HOST}:80": self.port})

    def show(self, *contents):
        """Serve some bodies as /0, /1, …, and return their addresses."""
        self.answers |= {f"/{number}": content for number, content in enumerate(contents)}
        return [url_of(number) for number in range(len(contents))]

    def fetched(self):
        """Return the addresses that were asked for since the last call, but for the host's rules."""
        paths = [path for path in self.paths() if path != "/robots.txt"]
        self.requests.clear()
        return [f"http://{HOST}{path}" for path in paths]


class Invented:
    """A source whose answers a test makes up, and which remembers what it was asked.

    An answer is an address, ``None`` for a card without one, a dictionary of a candidate's fields, an exception that is
    raised there, or a function that is called there.

    Args:
        answers: The answers by what is asked.
        name: The source's name.
        kind: How it answers.
    """

    version = ""

    def __init__(self, answers, *, name="site:invented", kind="api"):
        self.answers, self.name, self.kind = answers, name, kind
        self.asked = []

    def fingerprint(self):
        return ""

    def queries(self, label, texts):
        return [Query(label, text, url_of(f"?q={text}")) for text in texts]

    def search(self, query, access):
        if self.kind != "list" and (refused := access.find_refusal(query.address)):
            raise SearchError("robots", f"{query.address} must not be visited: {refused.reason}")
        self.asked.append(query.text)
        rank = 0
        for answer in self.answers.get(query.text, ()):
            if isinstance(answer, Exception):
                raise answer
            if callable(answer):
                answer()
                continue
            given = answer if isinstance(answer, dict) else {"image_url": answer}
            yield Candidate(query.label, query.text, rank, **{"page_url": query.address} | given)
            rank += 1
