import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.fetch.location import BadURL, parse_url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/relative",
        "//host/without/scheme",
        "http://",
        "http:///path",
        "http://./",
        "file:///etc/passwd",
        "ftp://host/x",
        "javascript:alert(1)",
        "http://host:99999/",
        "http://[::1",
        "http://host\\@other/",
        "http://host/" + "x" * 9000,
    ],
)
def test_what_is_no_web_address_is_refused(text):
    with pytest.raises(BadURL):
        parse_url(text)


@pytest.mark.parametrize("spelling", ["127。0。0。1", "①②⑦.⓪.⓪.①"])
def test_what_is_checked_is_what_is_connected_to(spelling):
    assert parse_url(f"http://{spelling}/").raw_host == "127.0.0.1"


def test_credentials_and_fragments_are_left_out():
    assert str(parse_url("http://user:secret@host.example/x?y#z")) == "http://host.example/x?y"


def test_a_signed_path_is_sent_to_the_letter():
    text = "https://cdn.example/a%2Cb/%7Ec.jpg?sig=Ab%2F%2b%3D&t=%20"
    assert str(parse_url(text)) == text


def test_letters_of_other_scripts_are_escaped():
    assert str(parse_url("http://h.example/é.png?q=ü x")) == "http://h.example/%C3%A9.png?q=%C3%BC+x"


@given(st.text(max_size=80))
def test_any_text_is_a_web_address_or_refused(text):
    try:
        url = parse_url(text)
    except BadURL:
        return
    assert url.scheme in ("http", "https")
    assert url.host
    assert url.user is None
