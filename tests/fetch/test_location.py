import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from pixmill.fetch.location import BadURL, host_of, parse_url


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
        "http://xn--a/",
        "//xn--a/",
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


@given(st.from_regex(r"https?://[a-z0-9.-]{1,20}(:[0-9]{1,5})?/[A-Za-z0-9._~:/?!$&'()*+,;=%-]{0,20}", fullmatch=True))
def test_a_plain_url_is_read_as_carefully_as_any(text):
    """Yarl without ``encoded`` reads hosts and ports as aiohttp means them."""
    try:
        careful = URL(text)
        expected = careful.raw_host, careful.port
    except ValueError:
        expected = None
    try:
        url = parse_url(text)
    except BadURL:
        assert expected is None or not (expected[0] or "").strip(".")
        return
    assert (url.raw_host, url.port) == expected
    assert (url.user, url.raw_fragment) == (None, "")


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Shop.Example.", "shop.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("127。0。0。1", "127.0.0.1"),
        ("①②⑦.⓪.⓪.①", "127.0.0.1"),
        ("[::1]", "::1"),
        ("::ffff:127.0.0.1", "::ffff:7f00:1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
    ],
)
def test_a_host_alone(text, host):
    assert host_of(text) == host


@pytest.mark.parametrize("text", ["", ".", "a/b", "a:80", "user@host", "a b", "a\r\nb", "[::1", "a?b"])
def test_what_is_no_host(text):
    with pytest.raises(BadURL):
        host_of(text)
