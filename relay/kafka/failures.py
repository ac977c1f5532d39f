"""What Kafka's failures mean: by their `Reason`, in words without secrets, and what to do about them."""

import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import MappingProxyType

from aiokafka import errors

from relay.errors import Reason, RelayError


class KafkaFailure(RelayError):  # noqa: N818 - says what it is
    """Kafka did not do what it was asked. `detail`: for people, no secret."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class TlsFileError(ssl.SSLError):
    """A file of our side of TLS cannot be used. The text begins with its key."""

    def __init__(self, text: str) -> None:
        super().__init__(ssl.SSL_ERROR_SSL, text)


class TokenUnreadableError(OSError):
    """There is no token to sign in with."""


FAILURES = (errors.KafkaError, OSError, EOFError, ValueError, RuntimeError, AssertionError)
"""All that aiokafka's calls raise but cancellation. ValueError: a signature of SCRAM that is wrong; AssertionError:
its own checks, some of which fail when a topic vanishes in mid-call."""

AWAY = frozenset({Reason.TIMEOUT, Reason.DNS, Reason.CONNECT, Reason.RESET, Reason.UNAVAILABLE})
"""Nothing is wrong with the record, the topic or us: what failed may be tried again, and nobody needs to do anything
but bring the broker back."""

REASONS: Sequence[tuple[tuple[type[BaseException], ...], Reason]] = (
    # The first that fits counts: they are each other's kin
    ((ssl.SSLError,), Reason.TLS),
    ((socket.gaierror,), Reason.DNS),
    ((TimeoutError, errors.KafkaTimeoutError, errors.RequestTimedOutError), Reason.TIMEOUT),
    (
        (
            errors.SaslAuthenticationFailed,
            errors.UnsupportedSaslMechanismError,
            errors.IllegalSaslStateError,
            TokenUnreadableError,
        ),
        Reason.UNAUTHORIZED,
    ),
    (
        (
            errors.TopicAuthorizationFailedError,
            errors.ClusterAuthorizationFailedError,
            errors.GroupAuthorizationFailedError,
        ),
        Reason.FORBIDDEN,
    ),
    ((errors.UnknownTopicOrPartitionError, errors.InvalidTopicError), Reason.NOT_FOUND),
    ((errors.MessageSizeTooLargeError, errors.RecordListTooLargeError, errors.PolicyViolationError), Reason.REFUSED),
    ((ConnectionRefusedError,), Reason.CONNECT),
    ((ConnectionError, EOFError, errors.KafkaConnectionError), Reason.RESET),
    ((OSError,), Reason.CONNECT),
)

ADVICE = MappingProxyType(
    {
        Reason.TIMEOUT: "check kafka.bootstrap_servers, and whether a firewall is between",
        Reason.DNS: "check the host names in kafka.bootstrap_servers, and the name server",
        Reason.CONNECT: "start the broker, or check kafka.bootstrap_servers",
        Reason.RESET: "check that kafka.security_protocol is the one of this port",
        Reason.TLS: "check kafka.ssl_cafile, the name in the broker's certificate, and that the port speaks TLS",
        Reason.UNAUTHORIZED: "check kafka.sasl_mechanism, and the user and password or the token",
        Reason.FORBIDDEN: "let the user do this (kafka-acls)",
        Reason.NOT_FOUND: "create the topic, or check its name",
        Reason.REFUSED: "raise max.message.bytes of the topic, or lower events.max_bytes",
    }
)


@contextmanager
def told() -> Iterator[None]:
    """What aiokafka raises in here comes out as KafkaFailure."""
    try:
        yield
    except FAILURES as error:
        raise KafkaFailure(reason_of(error), describe(error)) from error


def reason_of(error: BaseException) -> Reason:
    """Why there was no success."""
    return next((reason for kinds, reason in REASONS if isinstance(error, kinds)), Reason.UNAVAILABLE)


def describe(error: BaseException) -> str:
    """For people, in a few words."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"certificate: {error.verify_message}"
        case TimeoutError():
            return "no answer in time"
        case OSError(strerror=str(text), filename=str(name)):
            return f"{name}: {text}"
        case OSError(strerror=str(text)):
            return text
        case errors.ClusterAuthorizationFailedError():  # what a broker says of a producer before it knows the topic
            return "may not write to any topic"
        case errors.KafkaError():
            told = str(error.args[0]) if error.args and error.args[0] else ""
            return ": ".join(filter(None, (_words(type(error).__name__), told)))
    return str(error) or _words(type(error).__name__)


def _words(name: str) -> str:
    """`TopicAuthorizationFailedError` as `topic authorization failed`."""
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name.removesuffix("Error"))
    return spaced.strip()
