"""Which network addresses a webhook may reach (protection against server-side request forgery).

Decided on the address that is about to be connected to, never on a name: a name may change its mind between a check and
the connection. Only where a proxy looks names up can no more be judged than the name: see `name_refusal`.
"""

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
_GLOBAL_UNICAST_V6 = IPv6Network("2000::/3")  # all that IANA has ever given out

_PRIVATE = tuple(
    ip_network(network)
    for network in (
        "127.0.0.0/8",
        "::1/128",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",  # shared space: carriers, and pods of some clusters
        "fc00::/7",
    )
)
# Where clouds tell machines their credentials; outside link-local, which is refused as a whole.
_METADATA = frozenset(
    ip_address(address)
    for address in (
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure
        "192.0.0.192",  # Oracle
        "fd00:ec2::254",  # Amazon
        "fd00:ec2::23",  # Amazon, for pods
        "fd20:ce::254",  # Google
    )
)

# Not for the public, although some versions of Python's `is_global` say so of some of them.
_SPECIAL = tuple(
    ip_network(network)
    for network in (
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # relays of 6to4
        "2001::/23",  # protocol assignments, Teredo among them
        "3fff::/20",  # documentation
    )
)

# Names that no public name server answers: RFC 6761, 6762 (appendix G), 8375, and what ICANN keeps for private use.
_PRIVATE_NAMES = (
    "localhost",
    "local",
    "localdomain",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "home.arpa",
)
_METADATA_NAMES = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}
)
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
_NAME = re.compile(r"[a-z0-9._-]+")


def refusal(address: str, *, allow_private: bool) -> str | None:
    """Why this address must not be connected to, or None where it may.

    `allow_private` opens private, shared and loopback addresses; link-local, metadata, multicast and unspecified ones
    stay closed. Anything but a literal address in its usual notation is refused.
    """
    try:
        # A zone (`%eth0`) says by which interface, not where to; with it, no comparison below would hold.
        target = _unwrap(ip_address(address.partition("%")[0]))
    except ValueError:
        return "not an address"
    if target in _METADATA:
        return "a metadata address"
    if target.is_link_local:
        return "a link-local address"
    if target.is_multicast:
        return "a multicast address"
    if any(target in network for network in _PRIVATE):
        return None if allow_private else "a private address"
    return None if _is_global(target) else "not a global address"


def name_refusal(host: str, *, allow_private: bool) -> str | None:
    """Why a proxy must not be asked for this host, or None where it may; as far as it can be told without a look-up.

    `host`: of a URL, in ASCII, without brackets. Literal addresses are judged as by `refusal`; private names as private
    addresses. What a public name leads to is seen by the proxy alone.
    """
    name = host.lower().rstrip(".")
    if is_address_like(name):
        return refusal(name, allow_private=allow_private)
    if not _NAME.fullmatch(name):
        return "not a host name"
    if name in _METADATA_NAMES:
        return "a metadata name"
    if "." not in name or name.endswith(tuple(f".{private}" for private in _PRIVATE_NAMES)):
        return None if allow_private else "a private name"
    return None


def is_address_like(host: str) -> bool:
    """Whether some resolver may take this host for an address: `127.1` and `0x7f.1` are spellings of one.

    `host`: in lower case, without brackets and without a dot at its end.
    """
    return ":" in host or _NUMBER.fullmatch(host.rpartition(".")[2]) is not None


def _unwrap(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that packets to this IPv6 address end up at: mapped, NAT64 or 6to4."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _is_global(address: IPv4Address | IPv6Address) -> bool:
    if any(address in network for network in _SPECIAL):
        return False
    # Python calls deprecated and unassigned parts of IPv6 global: IPv4-compatible, site-local.
    return address.is_global and (isinstance(address, IPv4Address) or address in _GLOBAL_UNICAST_V6)
