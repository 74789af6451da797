import pytest

from pixmill.fetch.address import is_public


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "193.99.144.80", "2606:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8"]
)
def test_public_addresses(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",  # loopback
        "127.255.255.254",
        "::1",
        "0.0.0.0",  # this host
        "::",
        "10.0.0.1",  # private
        "172.16.0.1",
        "192.168.1.1",
        "fd00::1",
        "169.254.169.254",  # link-local: where clouds keep their secrets
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",  # site-local
        "100.64.0.1",  # shared by carriers
        "224.0.0.1",  # multicast
        "239.255.255.250",
        "ff02::1",
        "240.0.0.1",  # reserved
        "255.255.255.255",
        "192.0.0.9",  # protocols
        "192.0.2.1",  # documentation
        "2001:db8::1",
        "3fff::1",
        "198.18.0.1",  # benchmarks
        "192.88.99.1",  # 6to4 relay
        "::ffff:127.0.0.1",  # IPv4 inside IPv6: mapped,
        "::ffff:10.0.0.1",
        "::127.0.0.1",  # compatible,
        "64:ff9b::7f00:1",  # NAT64,
        "2002:7f00:1::",  # 6to4,
        "2001:0:7f00:1::",  # Teredo
        "5f00::1",  # segment routing
    ],
)
def test_all_others_are_not_public(address):
    assert not is_public(address)


def test_a_name_is_no_address():
    with pytest.raises(ValueError, match="shop"):
        is_public("shop.example")
