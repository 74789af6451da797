import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.fetch.data_uri import decode_data_uri


def decoded(uri, max_bytes=1000):
    return decode_data_uri(uri, max_bytes=max_bytes)


@given(st.binary(max_size=300))
def test_every_way_of_writing_gives_the_same_bytes(content):
    plain = base64.b64encode(content).decode()
    for body in (plain, plain.rstrip("="), quote(plain, safe=""), base64.urlsafe_b64encode(content).decode()):
        assert decoded(f"data:image/png;base64,{body}").content == content
    assert decoded(f"data:,{quote(content, safe='')}").content == content


@pytest.mark.parametrize(
    "head", ["data:;base64", "DATA:image/jpeg;BASE64", "data:image/svg+xml;charset=utf-8;base64", "data: x ;q ;base64"]
)
def test_heads(head):
    assert decoded(f"{head},cGljdHVyZQ==").content == b"picture"


def test_line_breaks_within_base64():
    assert decoded("data:;base64,cGlj\n dHVy%0AZQ==").content == b"picture"


@pytest.mark.parametrize(
    "uri", ["data:", "data:image/png;base64", "data:;base64,###", "data:;base64,abcde", "http://x,"]
)
def test_what_is_no_data_uri(uri):
    assert decoded(uri).reason == "bad_data_uri"


@pytest.mark.parametrize("uri", ["data:;base64," + "A" * 4000, "data:," + "a" * 1001, "data:," + "a" * 10**6])
def test_the_limit(uri):
    assert decoded(uri).reason == "too_large"


def test_up_to_the_limit():
    assert decoded("data:," + "%61" * 1000).content == b"a" * 1000


@given(st.text(max_size=100))
def test_any_text_is_decoded_or_refused(text):
    decoded(f"data:{text}")
