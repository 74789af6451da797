"""Arrays in Google's scripts."""

import json

import pytest

from pixmill.scrape.sources.google import read_arrays, thumbnail_id


def thumbnail(name):
    return f"https://encrypted-tbn0.gstatic.com/images?q=tbn:{name}&s"


def entry(name, image="https://cdn.test/cat.jpg", *, before='0,"doc",', details=True):
    text = json.dumps([[thumbnail(name), 214, 320], [image, 1080, 1920]])[1:-1].replace(" ", "")
    after = ',null,0,"rgb(9,9,9)",null,0,{"2000":[null,"site.test","68KB"]'
    extra = (
        f',"2003":[null,"D{name}","https://site.test/{name}?a\\u003d1","Tabby \\u0026 cat",null]'
        if details
        else ""
    )
    return f"[{before}{text}{after}{extra}}}]".replace("=", "\\u003d").replace("&s", "\\u0026s")


def read(*texts):
    return read_arrays(texts)


def test_reads_an_array():
    [(ids, tile)] = read(f"var blob=[{entry('T1')}];")
    assert ids == {"T1", "doc", ("https://site.test/T1?a=1", "Tabby & cat")}
    assert (tile.image, tile.thumbnail, tile.route) == (
        "https://cdn.test/cat.jpg",
        thumbnail("T1"),
        "script",
    )
    assert (tile.page, tile.title) == ("https://site.test/T1?a=1", "Tabby & cat")
    assert (tile.width, tile.height) == (1920, 1080)


def test_keeps_the_order_of_the_scripts():
    scripts = [
        f"x([{entry('A')},{entry('B')}])",
        "unrelated()",
        f"AF_initDataCallback({{data:[{entry('C')}]}});",
    ]
    assert [tile.thumbnail for _, tile in read(*scripts)] == [thumbnail(name) for name in "ABC"]


def test_details_belong_to_the_previous_pair():
    (_, first), (_, second) = read(f"[{entry('A', details=False)},{entry('B')}]")
    assert (first.page, first.title) == (None, None)
    assert second.page == "https://site.test/B?a=1"


@pytest.mark.parametrize(
    "details", ['"2003":[null,', '"2003":{}', '"2003":[1,2,3,4]', '"2003":[unquoted]']
)
def test_broken_details_keep_the_original(details):
    broken = entry("A", details=False).replace('"2000":[null,"site.test","68KB"]', details)
    (_, tile), *_ = read(f"[{broken},{entry('B')}]")
    assert (tile.image, tile.page) == ("https://cdn.test/cat.jpg", None)


def test_id_and_details_are_optional():
    [(ids, _)] = read(f"[{entry('A', before='', details=False)}]")
    assert ids == {"A"}


@pytest.mark.parametrize(
    "image",
    [
        "x-raw-image:///0af3",
        "data:image/png;base64,AAAA",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "",
    ],
)
def test_originals_need_web_urls(image):
    assert read(f"[{entry('A', image)},{entry('B')}]") == read(f"[{entry('B')}]")


def test_ignores_other_pairs():
    assert (
        read(
            '["https://encrypted-tbn0.x"];[["https://a.test/1.png",1,2],["https://b.test/2.png",3,4]]'
        )
        == []
    )


def test_unescapes_javascript_strings():
    text = entry("A").replace("cat.jpg", "c\\x61t\\u002f\\u00e9.jpg")
    [(_, tile)] = read(text)
    assert tile.image == "https://cdn.test/cat/é.jpg"


def test_hostile_scripts_are_fast():
    assert (
        read("https://encrypted-tbn" + '["' * 200_000, "https://encrypted-tbn" + '["\\' * 200_000)
        == []
    )


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (thumbnail("abc-_1"), "abc-_1"),
        ("https://encrypted-tbn2.gstatic.com/images?q=tbn%3Axyz", "xyz"),
        ("https://cdn.test/1.jpg", None),
        ("http://[", None),
    ],
)
def test_thumbnail_id(url, name):
    assert thumbnail_id(url) == name
