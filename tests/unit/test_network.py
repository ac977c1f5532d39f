import contextlib
import errno
import ssl

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from relay.errors import Reason
from relay.network import FAILURES, AddressRefusedError, describe, forget_frames, reason_of

KEY = ConnectionKey(
    host="example.test", port=443, is_ssl=True, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None
)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (aiohttp.ClientConnectorDNSError(KEY, OSError(None, "not found")), Reason.DNS),
        (aiohttp.ClientConnectorError(KEY, ConnectionRefusedError(errno.ECONNREFUSED, "refused")), Reason.CONNECT),
        (aiohttp.ClientConnectorError(KEY, AddressRefusedError(errno.EACCES, "no")), Reason.ADDRESS_REFUSED),
        (aiohttp.InvalidURL("http://127.1/"), Reason.ADDRESS_REFUSED),
        (aiohttp.ClientConnectorCertificateError(KEY, ssl.SSLCertVerificationError("self-signed")), Reason.TLS),
        (aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, "wrong version")), Reason.TLS),
        (aiohttp.ServerFingerprintMismatch(b"a", b"b", "example.test", 443), Reason.TLS),
        (TimeoutError(), Reason.TIMEOUT),
        (aiohttp.SocketTimeoutError(), Reason.TIMEOUT),
        (aiohttp.ConnectionTimeoutError(), Reason.TIMEOUT),
        (aiohttp.ServerDisconnectedError(), Reason.RESET),
        (aiohttp.ClientOSError(errno.ECONNRESET, "reset"), Reason.RESET),
        (aiohttp.ClientConnectionResetError("closing transport"), Reason.RESET),
        (ConnectionResetError(errno.ECONNRESET, "reset"), Reason.RESET),
        (aiohttp.ClientPayloadError("incomplete"), Reason.UNREADABLE),
        (
            aiohttp.ClientProxyConnectionError(KEY, ConnectionRefusedError(errno.ECONNREFUSED, "refused")),
            Reason.CONNECT,
        ),
        (aiohttp.ClientHttpProxyError(None, (), status=407, message="Proxy Authentication Required"), Reason.CONNECT),
        (AddressRefusedError(errno.EACCES, "no"), Reason.ADDRESS_REFUSED),
        (RuntimeError("handler is closed"), Reason.CONNECT),
        (UnicodeError("label too long"), Reason.CONNECT),
    ],
)
def test_every_failure_is_caught_and_has_its_reason(error, reason):
    assert isinstance(error, FAILURES)
    assert reason_of(error) is reason


@pytest.mark.parametrize(
    "error",
    [aiohttp.InvalidURL("https://example.test/T0/s3cret"), ValueError("https://example.test/T0/s3cret")],
)
def test_what_is_said_of_a_failure_does_not_hold_the_url(error):
    assert "s3cret" not in describe(error)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (aiohttp.ClientConnectorError(KEY, AddressRefusedError("10.0.0.1 is private")), "10.0.0.1 is private"),
        (aiohttp.ClientConnectorError(KEY, AddressRefusedError(errno.EACCES, "it is private")), "it is private"),
        (AddressRefusedError(errno.EACCES, "it is private"), "it is private"),
        (aiohttp.ClientConnectorError(KEY, ConnectionAbortedError()), "ConnectionAbortedError"),
        (
            aiohttp.ClientProxyConnectionError(KEY, ConnectionRefusedError(errno.ECONNREFUSED, "refused")),
            "the proxy cannot be reached: refused",
        ),
        (aiohttp.ClientHttpProxyError(None, (), status=407, message="Who"), "the proxy answers 407 Who"),
        (aiohttp.ClientOSError(errno.ECONNRESET, "reset by peer"), "reset by peer"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "refused"),
        (aiohttp.ServerDisconnectedError(), "ServerDisconnectedError: Server disconnected"),
        (TimeoutError(), "TimeoutError"),
        (aiohttp.ClientPayloadError("of https://example.test/s3cret"), "ClientPayloadError"),
    ],
)
def test_a_failure_is_described_in_words(error, said):
    assert describe(error) == said


def test_the_frames_of_an_error_and_of_all_that_led_to_it_are_forgotten():
    """Also where errors refer to each other in a circle, which Python allows."""
    context, cause, error = ValueError("context"), ValueError("cause"), ValueError("error")
    for one, led_to_by in ((context, error), (cause, context)):
        with contextlib.suppress(ValueError):
            raise one from led_to_by
    try:
        try:
            raise context
        except ValueError:
            raise error from cause
    except ValueError as raised:
        forget_frames(raised)
    assert (error.__cause__, error.__context__) == (cause, context)
    assert [one.__traceback__ for one in (error, cause, context)] == [None] * 3
