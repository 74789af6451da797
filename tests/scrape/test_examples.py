from pixmill.fetch import Refused
from pixmill.scrape.candidate import Candidate
from pixmill.scrape.examples import Example, Examples
from pixmill.scrape.pictures import Picture
from pixmill.scrape.sighting import Sighting


def shown(rank, picture=None, refused=None, url="http://x.test/", **given):
    return Sighting("bing", Candidate("hat", "hat", rank, url, page_url="http://p.test/", **given), picture, refused)


def pictures(count):
    return [Picture(f"{number:064x}", 10, "png") for number in range(count)]


def test_the_first_different_pictures_of_a_class():
    examples, found = Examples(), pictures(9)
    for picture in (found[0], *found):
        examples.add(shown(0, picture, title="A hat", price="€ 1", licence="by", author="Ann"))
    assert [example.picture for example in examples.of("hat")] == found[:7]
    assert examples.of("hat")[0] == Example(found[0], "A hat", "€ 1", "by", "Ann")
    assert examples.of("coat") == []


def test_the_first_addresses_of_each_reason():
    examples = Examples()
    for rank in range(5):
        examples.add(shown(rank, refused=Refused("http_404"), url=f"http://x.test/{rank}"))
    examples.add(shown(0, *pictures(1), Refused("html"), url="http://x.test/page"))
    assert examples.refused == {
        "http_404": ["http://x.test/0", "http://x.test/1", "http://x.test/2"],
        "html": ["http://x.test/page"],
    }
    assert examples.counts == {"http_404": 5, "html": 1}


def test_an_address_that_is_none_is_told_by_its_page():
    examples = Examples()
    examples.add(shown(0, refused=Refused("bad_data_uri"), url="data:,x"))
    examples.add(shown(1, refused=Refused("no_address"), url=None))
    assert examples.refused == {"bad_data_uri": ["inlined in http://p.test/"], "no_address": ["on http://p.test/"]}
