import base64
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from pixmill.fetch.location import InvalidURLError, decode_data_uri, host_of, parse_url


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
        "http://[]@",
        "http://host\\@other/",
        "http://xn--a/",
        "//xn--a/",
        "http://host/" + "x" * 9000,
    ],
)
def test_invalid_urls_are_refused(text):
    with pytest.raises(InvalidURLError):
        parse_url(text)


@pytest.mark.parametrize("spelling", ["127。0。0。1", "①②⑦.⓪.⓪.①"])
def test_hosts_are_normalised(spelling):
    assert parse_url(f"http://{spelling}/").raw_host == "127.0.0.1"


def test_credentials_and_fragments_are_removed():
    assert str(parse_url("http://user:secret@host.example/x?y#z")) == "http://host.example/x?y"


def test_signed_paths_are_kept_literally():
    text = "https://cdn.example/a%2Cb/%7Ec.jpg?sig=Ab%2F%2b%3D&t=%20"
    assert str(parse_url(text)) == text


def test_non_ascii_characters_are_encoded():
    assert (
        str(parse_url("http://h.example/é.png?q=ü x")) == "http://h.example/%C3%A9.png?q=%C3%BC+x"
    )


@settings(max_examples=25)
@given(st.text(max_size=80))
def test_any_text_is_a_url_or_refused(text):
    try:
        url = parse_url(text)
    except InvalidURLError:
        return
    assert url.scheme in ("http", "https")
    assert url.host
    assert url.user is None


@settings(max_examples=25)
@given(
    st.from_regex(
        r"https?://[a-z0-9.-]{1,20}(:[0-9]{1,5})?/[A-Za-z0-9._~:/?!$&'()*+,;=%-]{0,20}",
        fullmatch=True,
    )
)
def test_literal_urls_are_parsed_like_others(text):
    """Hosts and ports are the same as yarl's without ``encoded``."""
    try:
        careful = URL(text)
        expected = careful.raw_host, careful.port
    except ValueError:
        expected = None
    try:
        url = parse_url(text)
    except InvalidURLError:
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
def test_host_of_normalises(text, host):
    assert host_of(text) == host


@pytest.mark.parametrize(
    "text", ["", ".", "a/b", "a:80", "user@host", "a b", "a\r\nb", "[::1", "a?b"]
)
def test_invalid_hosts_are_refused(text):
    with pytest.raises(InvalidURLError):
        host_of(text)


def decoded(uri, max_bytes=1000):
    return decode_data_uri(uri, max_bytes=max_bytes)


@settings(max_examples=25)
@given(st.binary(max_size=300))
def test_all_encodings_give_the_same_bytes(content):
    plain = base64.b64encode(content).decode()
    for body in (
        plain,
        plain.rstrip("="),
        quote(plain, safe=""),
        base64.urlsafe_b64encode(content).decode(),
    ):
        assert decoded(f"data:image/png;base64,{body}").content == content
    assert decoded(f"data:,{quote(content, safe='')}").content == content


@pytest.mark.parametrize(
    "head",
    [
        "data:;base64",
        "DATA:image/jpeg;BASE64",
        "data:image/svg+xml;charset=utf-8;base64",
        "data: x ;q ;base64",
    ],
)
def test_data_uri_headers(head):
    assert decoded(f"{head},aW1hZ2U=").content == b"image"


def test_line_breaks_in_base64_are_ignored():
    assert decoded("data:;base64,aW1h\n Z2%0AU=").content == b"image"


@pytest.mark.parametrize(
    "uri",
    [
        "data:",
        "data:image/png;base64",
        "data:;base64,###",
        "data:;base64,abcde",
        "http://x,",
        "data:,\ud83d",
    ],
)
def test_invalid_data_uris_are_refused(uri):
    assert decoded(uri).reason == "bad_data_uri"


@pytest.mark.parametrize(
    "uri", ["data:;base64," + "A" * 4000, "data:," + "a" * 1001, "data:," + "a" * 10**6]
)
def test_data_uris_above_the_limit_are_refused(uri):
    assert decoded(uri).reason == "too_large"


def test_data_uri_at_the_limit_is_decoded():
    assert decoded("data:," + "%61" * 1000).content == b"a" * 1000


@settings(max_examples=25)
@given(st.text(max_size=100))
def test_any_text_is_decoded_or_refused(text):
    decoded(f"data:{text}")
