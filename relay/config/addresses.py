"""Addresses and URLs as configuration values.

A validator raises ValueError with a sentence that begins with "must": what is allowed. The value is added by `faults`.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, PlainSerializer, PlainValidator, SecretStr
from yarl import URL

from relay.config.values import matching


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenAddress:
    """`port` 0: any free one."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        return is_loopback(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Whether a host name or address, without brackets, can only be reached from this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listen_address(value: object) -> ListenAddress:
    match = re.fullmatch(r"(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:\s/]+)):(?P<port>\d{1,5})", str(value))
    if match is None or int(match["port"]) > 65535:
        raise ValueError("must be host:port, such as 127.0.0.1:8080 or [::1]:8080")
    if match["v6"]:
        try:
            ipaddress.IPv6Address(match["v6"])
        except ValueError:
            raise ValueError("must have an IPv6 address between the brackets, such as [::1]:8080") from None
    return ListenAddress(host=match["v6"] or match["host"], port=int(match["port"]))


def _url_parts(value: str, example: str) -> SplitResult:
    """Raises ValueError for anything but an absolute http or https URL without user, password and fragment."""
    sentence = f"must be a URL such as {example}"
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        raise ValueError(sentence) from None
    if not usable or re.search(r"[\s\\]", value):
        raise ValueError(sentence)
    if "@" in parts.netloc:
        raise ValueError(f"{sentence}, without user and password")
    if parts.fragment:
        raise ValueError(f"{sentence}, without a fragment")
    return parts


def _origin(value: str) -> str:
    example = "https://acme.zendesk.com"
    parts = _url_parts(value, example)
    if parts.path.strip("/") or parts.query:
        raise ValueError(f"must be a URL such as {example}, without a path")
    default_port = {"http": 80, "https": 443}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in {None, default_port} else "")


def _webhook_url(value: str) -> str:
    example = "https://orders.example.com/hook"
    _url_parts(value, example)
    try:
        URL(value)  # which is what requests are made with
    except ValueError:
        raise ValueError(f"must be a URL such as {example}") from None
    return value


def _bootstrap_servers(value: object) -> tuple[str, ...]:
    servers = value.split(",") if isinstance(value, str) else value
    if not isinstance(servers, list) or not servers:
        raise ValueError("must be host:port, or a list of them")
    return tuple(str(_listen_address(str(server).strip())) for server in servers)


def _proxy(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 and not parts.path.strip("/")
    except ValueError:
        usable = False
    if not usable or re.search(r"\s", text):
        raise ValueError("must be a URL such as http://proxy.example.com:3128")
    return value


HostName = Annotated[
    str, matching(r"(?=.{1,253}$)[a-z0-9-]+(\.[a-z0-9-]+)*", "must be a host name in lower case, such as help.acme.com")
]
HostPattern = Annotated[
    str,
    # With a * at its end, as in hooks.*, it would let in names that somebody else owns.
    matching(
        r"\*|(?=.{1,253}$)([a-z0-9*_-]+\.)*[a-z0-9_-]+",
        "must be a host in lower case, a pattern that ends with a name such as *.acme.com, or * for any host",
    ),
]
Listen = Annotated[
    ListenAddress, PlainValidator(_listen_address, json_schema_input_type=str), PlainSerializer(str, return_type=str)
]
Origin = Annotated[str, AfterValidator(_origin)]
WebhookUrl = Annotated[str, AfterValidator(_webhook_url)]
Proxy = Annotated[SecretStr, AfterValidator(_proxy)]
BootstrapServers = Annotated[
    tuple[str, ...], PlainValidator(_bootstrap_servers, json_schema_input_type=str | list[str])
]
