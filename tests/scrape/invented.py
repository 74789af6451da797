"""Fake sources and the web server with their images."""

from pixmill.fetch import Network
from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.sources import SearchError
from tests.fetch.conftest import Site

__all__ = ["HOST", "Invented", "Web", "url_of"]

HOST = "invented.test"


def url_of(path):
    """Return the URL of a path on the server."""
    return f"http://{HOST}/{path}"


class Web(Site):
    """The server of one host: returns ``answers`` by path, else status 404, and logs requests."""

    @property
    def network(self):
        """The network that maps the host to this server."""
        return Network(served={f"{HOST}:80": self.port})

    def show(self, *contents):
        """Serve bodies as /0, /1, …; return their URLs."""
        self.answers |= {f"/{number}": content for number, content in enumerate(contents)}
        return [url_of(number) for number in range(len(contents))]

    def fetched(self):
        """Return the URLs requested since the last call, without robots.txt."""
        paths = [path for path in self.paths() if path != "/robots.txt"]
        self.requests.clear()
        return [f"http://{HOST}{path}" for path in paths]


class Invented:
    """A fake source that records its queries.

    An answer is a URL, ``None`` for a card without URL, the fields of a candidate, an exception to
    raise, or a function to call.

    Args:
        answers: Answers by query text.
        name: Name of the source.
        kind: Kind of the source.
    """

    version = ""

    def __init__(self, answers, *, name="site:invented", kind="api"):
        self.answers = answers
        self.name = name
        self.kind = kind
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
