"""A connection through an HTTP proxy, made and dropped again."""

import asyncio
import ssl
from base64 import b64encode
from urllib.parse import unquote, urlsplit

from relay.config.addresses import ListenAddress
from relay.core.webhook import excerpt

PORTS = {"http": 80, "https": 443}
ANSWER_BYTES_MAX = 16_384


class ProxyError(OSError):
    """The proxy cannot be reached, or does not let us through. The text holds nothing of its user and password."""


async def through(proxy: str, host: str, port: int, tls: ssl.SSLContext | None) -> None:
    """As far as a request would go before it is sent. `tls` None: to the proxy only, which would get the request.

    Raises ProxyError; OSError: trouble at the other end.
    """
    parts = urlsplit(proxy)
    context = ssl.create_default_context() if parts.scheme == "https" else None
    try:
        reader, writer = await asyncio.open_connection(
            parts.hostname, parts.port or PORTS[parts.scheme], ssl=context, limit=ANSWER_BYTES_MAX
        )
    except TimeoutError:
        raise
    except OSError as error:
        raise ProxyError(f"the proxy cannot be reached: {excerpt(error.strerror or str(error))}") from error
    try:
        if tls is not None:
            await _ask(reader, writer, str(ListenAddress(host=host, port=port)), _credentials(proxy))
            await writer.start_tls(tls, server_hostname=host)
    finally:
        writer.transport.abort()


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str, credentials: str) -> None:
    writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{credentials}\r\n".encode())
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        raise ProxyError("the proxy's answer cannot be read") from None
    status = head.partition(b"\r\n")[0].decode(errors="replace").partition(" ")[2]
    if not status.startswith("200"):
        raise ProxyError(f"the proxy answers {excerpt(status)}")


def _credentials(proxy: str) -> str:
    """The header, with its line's end."""
    parts = urlsplit(proxy)
    if parts.username is None:
        return ""
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Proxy-Authorization: Basic {b64encode(pair.encode()).decode()}\r\n"
