from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.addresses import name_refusal, refusal

GLOBAL = [
    "93.184.216.34",
    "1.1.1.1",
    "172.32.0.1",
    "2606:4700::1111",
    "::ffff:1.1.1.1",
    "64:ff9b::101:101",
    "2002:101:101::",
]

PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "::1",
    "::1%lo",
    "fc00::1",
    "fd12:3456::1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "0:0:0:0:0:ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::10.0.0.1",
    "2002:7f00:1::",
    "2002:c0a8:101::1",
]

NEVER = [
    # link-local, where clouds keep their metadata
    "169.254.169.254",
    "169.254.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "64:ff9b::169.254.169.254",
    "2002:a9fe:a9fe::",
    # metadata elsewhere
    "fd00:ec2::254",
    "fd00:ec2::254%eth0",
    "fd00:ec2::23",
    "fd20:ce::254",
    "100.100.100.200",
    "::ffff:100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    # unspecified: many systems take it for loopback
    "0.0.0.0",
    "0.1.2.3",
    "::",
    "::ffff:0.0.0.0",
    "64:ff9b::",
    # multicast, broadcast, reserved, for documentation
    "224.0.0.1",
    "239.255.255.250",
    "ff02::1",
    "ff0e::1",
    "::ffff:224.0.0.1",
    "255.255.255.255",
    "240.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "192.0.0.8",
    "192.88.99.1",
    "2001:db8::1",
    "3fff::1",
    "2001:20::1",
    # IPv4 hidden in ways that are not unwrapped
    "::127.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b:1::7f00:1",
    "2001:0:7f00:1::",
    "fec0::1",
    "100::1",
    # not an address, or not in its usual notation
    "",
    "localhost",
    "metadata.google.internal",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "[::1]",
    "127.0.0.1 ",
    "\uff11\uff12\uff17.0.0.1",
]


@pytest.mark.parametrize("address", GLOBAL)
def test_a_global_address_may_be_reached(address):
    assert refusal(address, allow_private=False) is None
    assert refusal(address, allow_private=True) is None


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_may_be_reached_only_where_this_is_allowed(address):
    assert refusal(address, allow_private=False) == "a private address"
    assert refusal(address, allow_private=True) is None


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_never_reached(address):
    assert refusal(address, allow_private=False)
    assert refusal(address, allow_private=True)


@pytest.mark.parametrize(
    "host", ["orders.example.com", "ORDERS.example.com.", "xn--e1afmkfd.xn--p1ai", "1.1.1.1", "a.b1"]
)
def test_a_proxy_may_be_asked_for_a_public_name(host):
    assert name_refusal(host, allow_private=False) is None


@pytest.mark.parametrize(
    "host",
    [
        *(address for address in PRIVATE if "%" not in address),
        "localhost",
        "LOCALHOST.",
        "orders.localhost",
        "orders",
        "orders.svc.cluster.local",
        "db.internal",
        "nas.lan",
        "router.home.arpa",
    ],
)
def test_a_proxy_is_asked_for_a_private_name_only_where_this_is_allowed(host):
    assert name_refusal(host, allow_private=False)
    assert name_refusal(host, allow_private=True) is None


@pytest.mark.parametrize(
    "host",
    [
        *(host for host in NEVER if host[-1:].isdigit() and host.isascii() and "[" not in host),
        "",
        ".",
        "127.1.",
        "0X7F.1",
        "example.0x",
        "orders.interna%6c",
        "b\u00fccher.example",
        "metadata.google.internal.",
        "METADATA",
    ],
)
def test_for_some_hosts_a_proxy_is_never_asked(host):
    """Above all not for an address in a notation that the proxy may read and we do not."""
    assert name_refusal(host, allow_private=False)
    assert name_refusal(host, allow_private=True)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_alike_in_every_disguise(address: IPv4Address):
    number = int(address)
    disguises = [
        IPv6Address((0xFFFF << 32) | number),
        IPv6Address((0x0064_FF9B << 96) | number),
        IPv6Address((0x2002 << 112) | (number << 80)),
    ]
    for allow_private in (False, True):
        plain = refusal(str(address), allow_private=allow_private)
        assert {refusal(str(other), allow_private=allow_private) for other in disguises} == {plain}


@given(st.ip_addresses())
def test_to_allow_private_addresses_never_closes_any(address):
    if refusal(str(address), allow_private=False) is None:
        assert refusal(str(address), allow_private=True) is None
