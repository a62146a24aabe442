"""Which addresses an audio link may lead to: the public Internet, and what the configuration names beyond it.

A list of our own: ``ipaddress.is_global`` takes multicast for global, and IPv4 addresses that are wrapped into IPv6
(NAT64, 6to4) for harmless. Source: the IANA special-purpose address registries.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NOT_PUBLIC_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT; cloud metadata of some providers
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local; cloud metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; cloud metadata of some providers
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
_GLOBAL_UNICAST_V6 = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: holds any IPv4 address
        "3fff::/20",  # documentation
    )
)
_WRAPPED_V4 = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))
"""The last 32 bits are an IPv4 address, which decides: mapped, and NAT64, the way out of an IPv6-only network."""


def is_public(address: Address) -> bool:
    """True for an address that anybody on the Internet may be reached at."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    if any(address in network for network in _WRAPPED_V4):
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    return address in _GLOBAL_UNICAST_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


def refused_address(text: str, allowed: Sequence[Network] = ()) -> str:
    """Why nothing may be asked of this address, or nothing; ``allowed`` are networks that are not public and yet meant.

    ``text`` is what a resolver answered: what cannot be read as an address is refused.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return "leads to something that is no address"
    if is_public(address) or any(address in network for network in allowed):
        return ""
    return "leads to an address that is not public"


def networks_meant(audio_networks: Sequence[str], audio_hosts: Sequence[str], *, loopback: bool) -> tuple[Network, ...]:
    """The networks that a configuration allows beyond the public ones.

    Those of ``audio_networks`` (CIDR), the addresses that ``audio_hosts`` names as such, and this machine's own where
    ``loopback`` says that the source is a sandbox.
    """
    named = [ip_network(text) for text in audio_networks]
    for host in audio_hosts:
        try:
            named.append(ip_network(host.strip("[]")))
        except ValueError:
            continue  # a name, as a rule
    return (*named, *((IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")) if loopback else ()))
