from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        "::ffff:0:7f00:1",  # translated,
        "64:ff9b::7f00:1",  # NAT64,
        "64:ff9b::808:808",  # even where the address in it is public,
        "64:ff9b:1::7f00:1",
        "2002:7f00:1::",  # 6to4,
        "2001:0:7f00:1::",  # Teredo
        "5f00::1",  # segment routing
        "100::1",  # discarded
        "2001:20::1",  # ORCHIDv2
        "3fff:fff::1",
        "198.51.100.7",
        "203.0.113.7",
        "100.127.255.255",
    ],
)
def test_all_others_are_not_public(address):
    assert not is_public(address)


def test_a_name_is_no_address():
    with pytest.raises(ValueError, match="shop"):
        is_public("shop.example")


V4 = st.ip_addresses(v=4)


@given(V4)
def test_a_mapped_address_is_judged_by_the_one_in_it(v4):
    assert is_public(f"::ffff:{v4}") == is_public(str(v4))


@given(V4, st.sampled_from(["::", "::ffff:0:0:0", "64:ff9b::", "64:ff9b:1::"]), st.booleans())
def test_an_address_that_wraps_another_one_is_never_public(v4, prefix, is_6to4):
    wrapped = IPv6Address(0x2002 << 112 | int(v4) << 80 if is_6to4 else int(IPv6Address(prefix)) | int(v4))
    assert not is_public(str(wrapped))


@given(st.ip_addresses(v=6))
def test_nothing_but_global_unicast_is_public_in_ipv6(v6):
    if is_public(str(v6)) and v6.ipv4_mapped is None:
        assert v6 in IPv6Network("2000::/3")


@given(V4)
def test_nothing_but_unicast_is_public_in_ipv4(v4):
    if is_public(str(v4)):
        assert not any((v4.is_private, v4.is_multicast, v4.is_loopback, v4.is_link_local, v4.is_reserved))
        assert v4 < IPv4Address("224.0.0.0")
