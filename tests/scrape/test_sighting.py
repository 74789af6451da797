import pytest

from pixmill.fetch import Refused
from pixmill.scrape.candidate import Candidate
from pixmill.scrape.pictures import Picture
from pixmill.scrape.sighting import Sighting

PICTURE, GONE = Picture("aa" * 32, 10, "png"), Refused("http_404")


@pytest.mark.parametrize(
    ("picture", "refused", "thumbnail"), [(PICTURE, None, False), (PICTURE, GONE, True), (None, GONE, False)]
)
def test_a_picture_in_spite_of_a_refusal_is_a_thumbnail(picture, refused, thumbnail):
    assert Sighting("bing", Candidate("hat", None, 0, None), picture, refused).thumbnail == thumbnail
