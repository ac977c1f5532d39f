"""Receivers that a submitter names for one job, beside the configured sinks.

A callback is a sink of its own in the job's deliveries, but shares its limits and troubles with all callbacks to the
same origin: many jobs may name urls of one service, each a different one.
"""

from hashlib import blake2b
from urllib.parse import urlsplit

from relay.core.delivery import Subscription
from relay.core.job import Callback

CALLBACK = "callback"
"""What metrics and the API call all callbacks together. No configured sink has this name."""
CALLBACKS_MAX = 16  # per job
DEFAULT_PORTS = {"http": 80, "https": 443}


def sink_of(url: str) -> str:
    """`callback:https://host:port#<hash of the url>`. Nothing of the url but its origin, since the rest may be secret.

    `url`: absolute, http or https, as the intake has checked.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    return f"{CALLBACK}:{parts.scheme}://{shown}:{port}#{blake2b(url.encode(), digest_size=8).hexdigest()}"


def subscription_of(callback: Callback) -> Subscription:
    """A callback hears how the job ended, whatever the outcome."""
    return Subscription(sink=sink_of(callback.url))


def is_callback(sink: str) -> bool:
    """`sink`: of a delivery, or an endpoint."""
    return sink.startswith(f"{CALLBACK}:")


def label_of(sink: str) -> str:
    """The sink's name, or one name for all callbacks. `sink`: of a delivery, or an endpoint."""
    return CALLBACK if is_callback(sink) else sink
