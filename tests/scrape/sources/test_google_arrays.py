"""The arrays in Google's scripts, read as they stand."""

import json

import pytest

from pixmill.scrape.sources.google_arrays import ArrayForm, Original, read_arrays, thumbnail_id

FORM = ArrayForm()


def thumbnail(name):
    return f"https://encrypted-tbn0.gstatic.com/images?q=tbn:{name}&s"


def entry(name, image="https://cdn.test/cat.jpg", *, before='0,"doc",', details=True):
    text = json.dumps([[thumbnail(name), 214, 320], [image, 1080, 1920]])[1:-1].replace(" ", "")
    after = ',null,0,"rgb(9,9,9)",null,0,{"2000":[null,"site.test","68KB"]'
    told = f',"2003":[null,"D{name}","https://site.test/{name}?a\\u003d1","Tabby \\u0026 cat",null]' if details else ""
    return f"[{before}{text}{after}{told}}}]".replace("=", "\\u003d").replace("&s", "\\u0026s")


def read(*texts):
    return read_arrays(texts, FORM)


def test_what_an_array_says():
    assert read(f"var blob=[{entry('T1')}];") == [
        Original(
            image="https://cdn.test/cat.jpg",
            thumbnail=thumbnail("T1"),
            ids=frozenset({"T1", "DT1", "doc"}),
            page="https://site.test/T1?a=1",
            title="Tabby & cat",
            width=1920,
            height=1080,
        )
    ]


def test_arrays_come_in_the_order_of_the_scripts():
    scripts = [f"x([{entry('A')},{entry('B')}])", "unrelated()", f"AF_initDataCallback({{data:[{entry('C')}]}});"]
    assert [original.page[-5] for original in read(*scripts)] == ["A", "B", "C"]


def test_what_follows_the_next_picture_is_not_taken_for_this_one():
    first, second = read(f"[{entry('A', details=False)},{entry('B')}]")
    assert (first.page, first.title) == (None, None)
    assert second.page == "https://site.test/B?a=1"


def test_a_pair_needs_neither_an_id_nor_details():
    assert read(f"[{entry('A', before='', details=False)}]")[0].ids == {"A"}


@pytest.mark.parametrize(
    "image", ["x-raw-image:///0af3", "data:image/png;base64,AAAA", "javascript:alert(1)", "file:///etc/passwd", ""]
)
def test_only_addresses_on_the_web_are_originals(image):
    assert read(f"[{entry('A', image)},{entry('B')}]") == read(f"[{entry('B')}]")


def test_other_pairs_of_pictures_are_none_of_ours():
    assert read('["https://encrypted-tbn0.x"];[["https://a.test/1.png",1,2],["https://b.test/2.png",3,4]]') == []


@pytest.mark.parametrize(
    "details", ['"2003":[null,', '"2003":{}', '"2003":[1,2,3,4]', '"2003":[]', '"2003":[unquoted]']
)
def test_broken_details_cost_no_original(details):
    broken = entry("A", details=False).replace('"2000":[null,"site.test","68KB"]', details)
    original, *_ = read(f"[{broken},{entry('B')}]")
    assert (original.image, original.page) == ("https://cdn.test/cat.jpg", None)


def test_strings_are_unescaped_as_a_script_does():
    text = entry("A").replace("cat.jpg", "c\\x61t\\u002f\\u00e9.jpg").replace("Tabby", "\\ud83d")
    original, *_ = read(text)
    assert original.image == "https://cdn.test/cat/é.jpg"
    assert original.title == "? & cat"


def test_a_hostile_script_takes_no_long_time():
    assert read("https://encrypted-tbn" + '["' * 200_000, "https://encrypted-tbn" + '["\\' * 200_000) == []


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (thumbnail("abc-_1"), "abc-_1"),
        ("https://encrypted-tbn2.gstatic.com/images?q=tbn%3Axyz", "xyz"),
        ("https://cdn.test/1.jpg", None),
        ("http://[", None),
    ],
)
def test_the_id_of_a_thumbnail(url, name):
    assert thumbnail_id(url) == name
