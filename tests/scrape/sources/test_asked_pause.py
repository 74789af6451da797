"""For how long a site asks to be left alone."""

from pixmill.scrape.sources.asked_pause import read_pause


def answer(kind="Document", **headers):
    return {"method": "Network.responseReceived", "params": {"type": kind, "response": {"headers": headers}}}


def test_the_last_document_says_it():
    busy = answer(**{"retry-after": "30", "Server": "x"})
    assert read_pause([{"method": "Page.loaded"}, busy, answer("Image", **{"Retry-After": "5"})]) == "30"
    assert read_pause([busy, answer(**{"Retry-After": "Fri, 20 Nov 2026 11:38:10 GMT"})]).startswith("Fri, 20 Nov")
    assert read_pause([busy, answer()]) is None
    assert read_pause([]) is None
    assert len(read_pause([answer(**{"Retry-After": "9" * 5000})])) == 60
