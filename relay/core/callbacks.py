"""Receivers that a submitter names for one job, beside the configured sinks.

A callback is a sink of its own in the job's deliveries, but shares its limits and troubles with all callbacks to the
same origin: many jobs may name urls of one service, each a different one.
"""

from collections.abc import Sequence
from hashlib import blake2b
from urllib.parse import urlsplit

from relay.core.delivery import Subscription
from relay.core.job import Callback, Job
from relay.errors import RelayError

CALLBACK = "callback"
"""What metrics and the API call all callbacks together. No configured sink has this name."""
CALLBACKS_MAX = 16  # per job
DEFAULT_PORTS = {"http": 80, "https": 443}


class CallbacksFull(RelayError):  # noqa: N818 - says what it is
    """Requests to track name one callback more than a job may have, and nothing of what came with them is recorded.

    `indexes`: which of the requests.
    """

    def __init__(self, indexes: Sequence[int]) -> None:
        super().__init__(f"a job has at most {CALLBACKS_MAX} callbacks")
        self.indexes = indexes


def sink_of(url: str) -> str:
    """`callback:https://host:port#<hash of the url>`. Nothing of the url but its origin, since the rest may be secret.

    `url`: absolute, http or https, as the intake has checked.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").removesuffix(".")
    shown = f"[{host}]" if ":" in host else host
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    return f"{CALLBACK}:{parts.scheme}://{shown}:{port}#{blake2b(url.encode(), digest_size=8).hexdigest()}"


def subscription_of(callback: Callback) -> Subscription:
    """A callback hears how the job ended, whatever the outcome."""
    return Subscription(sink=sink_of(callback.url), resumable=False)


def find(job: Job, sink: str) -> Callback | None:
    """The job's callback that has this name as a sink; None: it has no such callback."""
    return next((callback for callback in job.callbacks if sink_of(callback.url) == sink), None)


def is_callback(sink: str) -> bool:
    """`sink`: of a delivery, or an endpoint."""
    return sink.startswith(f"{CALLBACK}:")


def label_of(sink: str) -> str:
    """The sink's name, or one name for all callbacks. `sink`: of a delivery, or an endpoint."""
    return CALLBACK if is_callback(sink) else sink
