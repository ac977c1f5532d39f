import socket
import ssl

import pytest

from relay.app.checks import Verdict
from relay.app.checks.sinks import explain, try_sink
from relay.config.sinks import LogSink, WebhookSink

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def webhook(url, **fields):
    section = {"name": "orders", "kind": "webhook", "url": url, "secrets": [SECRET], "allow_http": True, **fields}
    return WebhookSink.model_validate(section)


async def test_there_is_nothing_to_try_of_a_log():
    assert (await try_sink(LogSink(name="console", kind="log"))).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("url", "allow_private"),
    [
        ("http://127.0.0.1:9/", False),
        ("http://[::ffff:127.0.0.1]:9/", False),
        ("http://169.254.169.254/latest", False),
        ("http://169.254.169.254/latest", True),
    ],
)
async def test_an_address_that_relay_would_not_connect_to_is_not_connected_to(url, allow_private):
    finding = await try_sink(webhook(url, allow_private=allow_private))
    assert finding.verdict is Verdict.FAILED
    assert "is refused" in finding.detail


async def test_the_path_and_the_query_of_the_url_stay_unsaid():
    finding = await try_sink(webhook("http://127.0.0.1:9/very/s3cr3t?token=s3cr3t"))
    assert finding.detail.startswith("http://127.0.0.1:9: ")
    assert "s3cr3t" not in repr(finding)


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (TimeoutError(), "no connection in time"),
        (socket.gaierror("the name x cannot be looked up"), "the name x cannot be looked up"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "TLS: "),
        (OSError("the name has no address"), "the name has no address"),
    ],
)
def test_every_trouble_is_told_with_what_to_do(error, detail):
    told, advice = explain(error)
    assert told.startswith(detail)
    assert advice
