"""Whether a webhook's endpoint can be reached: name, address guard, proxy, TCP and TLS. No request is made."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from ipaddress import ip_address

from aiohttp.resolver import DefaultResolver
from yarl import URL

from relay.app.certificates import tls_context
from relay.app.checks import Finding, Verdict
from relay.app.checks.tunnel import ProxyError, through
from relay.config.addresses import ListenAddress
from relay.config.sinks import LogSink, Sink, WebhookSink
from relay.core.addresses import refusal
from relay.core.webhook import excerpt
from relay.errors import ConfigError
from relay.network import AddressRefusedError
from relay.sinks.guard import check_host

CONNECT_SECONDS_MAX = 10.0


def unusable(section: Sink) -> Finding | None:
    """What keeps relay from starting with this sink: files of its TLS. They are on this machine."""
    try:
        if isinstance(section, WebhookSink):
            tls_context(section)
    except ConfigError as error:
        return _finding(section, Verdict.FAILED, str(error), "check the path, and who may read it")
    return None


async def try_sink(section: Sink) -> Finding:
    if not isinstance(section, WebhookSink):
        return _finding(section, Verdict.OK, "writes to the log" if isinstance(section, LogSink) else "not tried")
    if (found := unusable(section)) is not None:
        return found
    url = URL(section.url)
    host, port = url.raw_host or "", url.port or 0
    tls = (tls_context(section) or ssl.create_default_context()) if url.scheme == "https" else None
    place = f"{url.scheme}://{ListenAddress(host=host, port=port)}"  # the rest of the url may be a secret
    try:
        async with asyncio.timeout(min(section.timeout_seconds, CONNECT_SECONDS_MAX)):
            if section.proxy is not None:
                check_host(section.url, allow_private=section.allow_private)
                await through(section.proxy.get_secret_value(), host, port, tls)
            else:
                await _connect(host, port, tls, allow_private=section.allow_private)
    except OSError as error:
        detail, advice = explain(error)
        return _finding(section, Verdict.FAILED, f"{place}: {detail}", advice)
    return _finding(section, Verdict.OK, f"{place}: {_reached(proxied=section.proxy is not None, tls=tls is not None)}")


def _finding(section: Sink, verdict: Verdict, detail: str, advice: str = "") -> Finding:
    return Finding(what="sink", name=section.name, verdict=verdict, detail=detail, advice=advice)


def _reached(*, proxied: bool, tls: bool) -> str:
    if not tls:
        return "its proxy can be reached" if proxied else "can be reached"
    return f"can be reached{' through its proxy' if proxied else ''}, and its certificate is good"


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
        case ProxyError():
            return str(error), "check `proxy`: its address, user and password, and whether it lets this host through"
        case AddressRefusedError():
            text = error.strerror or str(error)
            return text, "set allow_private: true if you trust it; link-local and metadata addresses stay closed"
        case TimeoutError():
            return "no connection in time", "check the url, and whether a firewall is between"
        case ssl.SSLCertVerificationError():
            return (
                f"certificate: {error.verify_message}",
                "let the endpoint show a certificate valid for its name, or set `ca_file` to who vouches for it",
            )
        case ssl.SSLError():
            return f"TLS: {excerpt(str(error))}", "check that the url's port speaks TLS, and `client_cert_file`"
        case socket.gaierror():
            return str(error), "check the url's host name, and the name server"
    return excerpt(error.strerror or str(error)), "start the endpoint, or check the url"
