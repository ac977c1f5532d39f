"""Whether a webhook's endpoint can be reached: name, address guard, TCP and TLS. No request is made."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp.resolver import DefaultResolver

from relay.app.checks import Finding, Verdict
from relay.config.addresses import ListenAddress
from relay.config.sinks import LogSink, Sink, WebhookSink
from relay.core.addresses import refusal
from relay.core.webhook import excerpt
from relay.network import AddressRefusedError

CONNECT_SECONDS_MAX = 10.0
PORTS = {"http": 80, "https": 443}


async def try_sink(section: Sink) -> Finding:
    if not isinstance(section, WebhookSink):
        detail = "writes to the log" if isinstance(section, LogSink) else "not tried"
        return Finding(what="sink", name=section.name, verdict=Verdict.OK, detail=detail)
    parts = urlsplit(section.url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    place = f"{parts.scheme}://{ListenAddress(host=host, port=port)}"  # the rest of the url may be a secret
    try:
        async with asyncio.timeout(min(section.timeout_seconds, CONNECT_SECONDS_MAX)):
            await _connect(host, port, tls, allow_private=section.allow_private)
    except OSError as error:
        detail, advice = explain(error)
        return Finding(
            what="sink", name=section.name, verdict=Verdict.FAILED, detail=f"{place}: {detail}", advice=advice
        )
    detail = f"{place}: can be reached" + (", and its certificate is good" if tls else "")
    return Finding(what="sink", name=section.name, verdict=Verdict.OK, detail=detail)


async def _connect(host: str, port: int, tls: ssl.SSLContext | None, *, allow_private: bool) -> None:
    """To the first address that lets us. Raises OSError: the last one's trouble."""
    trouble: OSError = OSError("the name has no address")
    for address in await _addresses(host, port):
        try:
            _guard(address, allow_private=allow_private)
            name = host if tls else None
            _, writer = await asyncio.open_connection(address, port, ssl=tls, server_hostname=name)
        except OSError as error:
            trouble = error
        else:
            writer.transport.abort()
            return
    raise trouble


async def _addresses(host: str, port: int) -> Sequence[str]:
    try:
        return [str(ip_address(host))]
    except ValueError:
        pass
    resolver = DefaultResolver()
    try:
        return [found["host"] for found in await resolver.resolve(host, port, socket.AF_UNSPEC)]
    except OSError as error:
        raise socket.gaierror(f"the name {host} cannot be looked up") from error
    finally:
        await resolver.close()


def _guard(address: str, *, allow_private: bool) -> None:
    why = refusal(address, allow_private=allow_private)
    if why is not None:
        raise AddressRefusedError(f"{address} is refused: {why}")


def explain(error: OSError) -> tuple[str, str]:
    """What went wrong, and what to do about it."""
    match error:
        case AddressRefusedError():
            return str(error), "set allow_private: true if you trust it; link-local and metadata addresses stay closed"
        case TimeoutError():
            return "no connection in time", "check the url, and whether a firewall is between"
        case ssl.SSLCertVerificationError():
            return (
                f"certificate: {error.verify_message}",
                "let the endpoint show a certificate that is valid for its name",
            )
        case ssl.SSLError():
            return f"TLS: {excerpt(str(error))}", "check that the url's port speaks TLS"
        case socket.gaierror():
            return str(error), "check the url's host name, and the name server"
    return excerpt(error.strerror or str(error)), "start the endpoint, or check the url"
