"""Tiles merged over several reads."""

from pixmill.scrape.sources.tile import Tile, Tiles


def keys(tiles):
    return [tile.key for tile in tiles]


def test_refine():
    thumb = Tile("a", thumbnail="t", title="A hat", route="thumbnail")
    assert thumb.refine(Tile("a", image="i", route="click")) == Tile(
        "a", image="i", thumbnail="t", title="A hat", route="click"
    )
    whole = Tile("a", image="i")
    assert whole.refine(Tile("a", image="other", title="B")) == whole


def test_tiles_keep_their_first_order():
    tiles = Tiles(10)
    assert [
        tiles.take(Tile(key, image=image)) for key, image in (("a", "1"), ("b", None), ("c", "3"))
    ] == [True] * 3
    assert keys(tiles.ready()) == ["a"]
    assert keys(tiles.without_original()) == ["b"]
    assert not tiles.take(Tile("b", title="only a title"))
    assert tiles.take(Tile("b", image="2"))
    assert not tiles.take(Tile("b", image="2"))
    assert keys(tiles.ready()) == ["b", "c"]
    assert tiles.complete == ["a", "b", "c"]
    assert tiles.take(Tile("d"))
    assert keys(tiles.remaining()) == ["d"]
    assert keys(tiles.remaining()) == keys(tiles.without_original()) == []
