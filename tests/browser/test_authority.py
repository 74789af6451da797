import pytest

from pixmill.browser.authority import key_fingerprints
from pixmill.errors import BrowserError

CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIHLMH+gAwIBAgIBATAFBgMrZXAwDzENMAsGA1UEAwwEVGVzdDAgFw0yMDAxMDEw
MDAwMDBaGA8yMDUwMDEwMTAwMDAwMFowDzENMAsGA1UEAwwEVGVzdDAqMAUGAytl
cAMhADX7ZxT16ZRUPcCVdwSphjj9sO4hRyp+jFzToIXh9wbnMAUGAytlcANBABPE
9KCJIvFtzD9DaYGDbFgDf0/qSOQUrdCrPh8WGufAq+8mKTpLjnPigpBPbc0CqhK4
SGDwaPI80fT88bLWeQk=
-----END CERTIFICATE-----
"""

FINGERPRINT = "VUnWsmafO8HozjAQbPPmR9L/tbmMcwzPRDPMBwwncIs="
"""Of ``openssl x509 -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64``."""


def test_every_key_of_a_file_has_its_fingerprint(tmp_path):
    (tmp_path / "ca.pem").write_text(CERTIFICATE * 2)
    assert key_fingerprints(tmp_path / "ca.pem") == [FINGERPRINT, FINGERPRINT]


def test_a_file_without_a_certificate_is_one_message(tmp_path):
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(BrowserError, match=r"ca\.pem holds no certificate"):
        key_fingerprints(tmp_path / "ca.pem")
    with pytest.raises(BrowserError, match=r"none\.pem"):
        key_fingerprints(tmp_path / "none.pem")
