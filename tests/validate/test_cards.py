"""Cards say what a person needs to find a picture and to see why it is where it is."""

from pixmill.validate.cards import Deck, shorten
from tests.validate.conftest import Scrape, picture


def test_a_card_says_label_size_format_and_where_it_came_from(scrape: Scrape) -> None:
    name = scrape.add("coat", picture(1, side=40), "one.png")
    deck = Deck(scrape.validate())
    assert deck.card(name).lines == ("coat", "40 \u00d7 40 png", "data/coat/one.png")
    assert deck.card(name, verdict=True).lines[0] == "kept"


def test_an_inlined_picture_is_found_by_its_page(scrape: Scrape) -> None:
    name = scrape.add("coat", picture(1, side=40))
    scrape.sightings[0] |= {"image_url": None, "page_url": "http://shop.pixmill.test/search?q=coat"}
    assert Deck(scrape.validate()).card(name).lines[-1] == "inlined in http://shop.pixmill.test/search?q=coat"
    scrape.sightings[0]["page_url"] = None
    assert Deck(scrape.validate()).card(name).lines[-1].startswith("artifacts/scrape/images/")


def test_groups_across_labels_come_first_then_the_largest(scrape: Scrape) -> None:
    for seed, labels in ((1, "ccc"), (2, "cc"), (3, "cs")):
        for quality, label in enumerate(labels, start=80):
            name = {"c": "coat", "s": "shoe"}[label]
            scrape.add(name, picture(seed, side=200, kind="JPEG", quality=quality))
    sides = Deck(scrape.validate()).near()
    assert [len(side.cards) for side in sides] == [2, 3, 2]
    assert [side.warning for side in sides] == [True, False, False]


def test_of_many_only_some_are_shown_and_the_rest_is_counted(scrape: Scrape) -> None:
    for number in range(20):
        scrape.add("coat", b"a text" + bytes([number]))
    for quality in range(71, 80):
        scrape.add("shoe", picture(1, side=200, kind="JPEG", quality=quality))
    deck = Deck(scrape.validate())
    [offenders] = deck.offenders()
    assert (offenders.count, len(offenders.cards), offenders.more) == (20, 12, 8)
    [side] = deck.near()
    assert (len(side.cards), side.more) == (6, 3)


def test_a_sample_holds_kept_pictures_of_the_class_in_no_order_of_their_ids(scrape: Scrape) -> None:
    scrape.fill("coat", 30)
    scrape.fill("shoe", 2, start=100)
    found = scrape.validate()
    sample = [card.id for card in Deck(found).sample("coat")]
    assert len(sample) == 12
    assert set(sample) <= set(found.manifest[found.manifest["label"] == "coat"]["id"])
    assert sample != sorted(sample)
    assert len(Deck(found).sample("shoe")) == 2


def test_a_file_that_was_seen_often_is_told_with_its_places(scrape: Scrape) -> None:
    for number in range(5):
        scrape.add("coat", picture(1), f"{number}.png")
    scrape.add("coat", picture(2))
    [repeated], more = Deck(scrape.validate()).repeated()
    assert more == 0
    assert repeated.count == 5
    assert repeated.places == "data/coat/0.png, data/coat/1.png, data/coat/2.png and 2 more"


def test_long_names_lose_their_middle() -> None:
    assert shorten("short") == "short"
    long = shorten("https://example.org/" + "x" * 5000 + "/end.png")
    assert len(long) == 90
    assert long.startswith("https://example.org/")
    assert long.endswith("/end.png")
