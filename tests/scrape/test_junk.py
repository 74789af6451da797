import hashlib
import re

from pixmill.scrape import junk
from pixmill.scrape.junk import LARGEST, is_junk


def test_what_is_known_is_refused(picture, monkeypatch):
    monkeypatch.setattr(junk, "_MD5", frozenset({hashlib.md5(picture(1)).hexdigest()}))
    assert is_junk(picture(1))
    assert not is_junk(picture(2))


def test_a_large_file_is_no_placeholder(monkeypatch):
    large = bytes(LARGEST + 1)
    monkeypatch.setattr(junk, "_MD5", frozenset({hashlib.md5(large).hexdigest()}))
    assert not is_junk(large)


def test_the_list_is_of_digests():
    assert all(re.fullmatch(r"[0-9a-f]{32}", digest) for digest in junk._MD5)
