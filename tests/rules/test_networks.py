"""Addresses an audio link may lead to, from the special-purpose registries rather than from ``ipaddress.is_global``."""

from __future__ import annotations

import ipaddress
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.rules.networks import is_public, networks_meant, refused_address

NOT_PUBLIC = re.split(
    r"\s+",
    """0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 169.254.169.254
169.254.170.2 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1
198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::169.254.169.254 64:ff9b::7f00:1 64:ff9b:1::1
100::1 2001::1 2001:2::1 2001:10::1 2001:db8::1 2002:7f00:1:: 2002:a00:1:: 3fff::1 5f00::1 fc00::1 fd00:ec2::254
fe80::1 fe80::1%eth0 fec0::1 ff02::1 ff0e::1""",
)
PUBLIC = re.split(
    " ", "1.1.1.1 52.218.0.1 3.5.128.1 172.32.0.1 100.128.0.1 2600:1fa0::1 2a05:d018::1 64:ff9b::52.218.0.1"
)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_what_is_not_public_is_refused(address: str) -> None:
    assert refused_address(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is_allowed(address: str) -> None:
    assert not refused_address(address)


@pytest.mark.parametrize("address", ["", "localhost", "127.1", "0x7f.1", "2130706433", "::1]", "1.2.3.4/8"])
def test_what_is_no_address_is_refused(address: str) -> None:
    assert refused_address(address, networks_meant(["0.0.0.0/1"], [], loopback=True))


@given(st.ip_addresses(v=4))
def test_ours_is_never_wider_than_the_librarys(address: ipaddress.IPv4Address) -> None:
    assert address.is_global or not is_public(address)


@given(st.ip_addresses(v=4), st.sampled_from(["::ffff:0:0", "64:ff9b::"]))
def test_a_wrapping_changes_nothing(address: ipaddress.IPv4Address, prefix: str) -> None:
    wrapped = ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | int(address))
    assert is_public(wrapped) == is_public(address)


def test_what_the_configuration_means_is_allowed_and_nothing_else() -> None:
    meant = networks_meant(["10.20.0.0/16", "fd00:1::/32"], ["192.168.7.7", "*.amazonaws.com"], loopback=False)
    for address in ("10.20.3.4", "fd00:1::9", "192.168.7.7"):
        assert not refused_address(address, meant)
    for address in ("10.21.0.1", "fd00:2::1", "192.168.7.8", "127.0.0.1", "::1", "::ffff:10.20.0.1"):
        assert refused_address(address, meant)
    assert not refused_address("127.0.0.1", networks_meant([], [], loopback=True))
