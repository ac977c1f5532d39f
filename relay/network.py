"""Outgoing HTTP as every room that makes requests sees it: failures by their `Reason`, and in words without secrets."""

import aiohttp

from relay.errors import Reason

FAILURES = (aiohttp.ClientError, OSError, RuntimeError, ValueError)
"""All that a request raises but cancellation. RuntimeError: the event loop's, for some failed connections; ValueError:
a host name that IDNA rejects."""


class AddressRefusedError(OSError):
    """A policy does not let us connect there."""


def reason_of(error: BaseException) -> Reason:
    """Why there was no answer. The order matters: aiohttp's errors are each other's kin."""
    match error:
        case (
            aiohttp.ClientConnectorError(os_error=AddressRefusedError()) | AddressRefusedError() | aiohttp.InvalidURL()
        ):
            return Reason.ADDRESS_REFUSED
        case TimeoutError():
            return Reason.TIMEOUT
        case aiohttp.ClientConnectorDNSError():
            return Reason.DNS
        case aiohttp.ClientSSLError() | aiohttp.ServerFingerprintMismatch():
            return Reason.TLS
        case aiohttp.ClientConnectorError() | aiohttp.ClientHttpProxyError():
            return Reason.CONNECT
        case aiohttp.ClientConnectionError() | ConnectionError():
            return Reason.RESET
        case aiohttp.ClientResponseError() | aiohttp.ClientPayloadError():
            return Reason.UNREADABLE
    return Reason.CONNECT


def forget_frames(error: BaseException) -> None:
    """Drop where it was raised, and where what had led to it was, when all is told that is to be told of it.

    aiohttp's functions keep errors in variables of their own. So an error that holds their frames holds itself, and
    only the garbage collector would find it, with seventy other objects for each attempt that failed.
    """
    errors = [error]
    for each in errors:
        each.__traceback__ = None
        errors += [one for one in (each.__cause__, each.__context__) if one is not None and one not in errors]


def describe(error: BaseException) -> str:
    """For people. Not `str(error)` as it is: aiohttp puts the url into some, and that may hold a secret."""
    match error:
        case aiohttp.ClientProxyConnectionError():
            return f"the proxy cannot be reached: {describe(error.os_error)}"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy answers {error.status} {error.message}"
        case aiohttp.ClientConnectorError():
            return error.os_error.strerror or str(error.os_error) or type(error.os_error).__name__
        case aiohttp.ClientResponseError() | aiohttp.ServerDisconnectedError():
            return f"{type(error).__name__}: {error.message}"
        case OSError(strerror=str(text)):
            return text
    return type(error).__name__
