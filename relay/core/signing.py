"""Standard Webhooks 1.0.0, symmetric signatures (`v1`): HMAC-SHA256 over `id.timestamp.body`.

See https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from relay.errors import RelayError

SECRET_PREFIX = "whsec_"  # noqa: S105 - the mark of a secret, not one
KEY_BYTES_MIN, KEY_BYTES_MAX = 24, 64
TOLERANCE_SECONDS = 300.0


class SecretError(RelayError, ValueError):
    """The text is not a signing secret. The message never holds the text."""


class VerificationError(RelayError):
    """The message is not from a holder of the secret, or not from now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A key to sign with. It does not print."""

    key: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The secret written as `whsec_` + base64 of 24 to 64 bytes; padding may be missing. Raises SecretError."""
        if not text.startswith(SECRET_PREFIX):
            raise SecretError(f"a signing secret starts with {SECRET_PREFIX}")
        encoded = text.removeprefix(SECRET_PREFIX).rstrip("=")
        try:
            key = b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
        except ValueError:
            raise SecretError(f"a signing secret is {SECRET_PREFIX} and base64; this is not base64") from None
        if not KEY_BYTES_MIN <= len(key) <= KEY_BYTES_MAX:
            raise SecretError(
                f"a signing secret holds {KEY_BYTES_MIN} to {KEY_BYTES_MAX} bytes in base64; this one holds {len(key)}"
            )
        return cls(key=key)


def sign(secrets: Sequence[Secret], message_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` header: a signature per secret, so that receivers may change theirs at their own time."""
    return " ".join(f"v1,{_signature(secret, message_id, str(timestamp), body)}" for secret in secrets)


def verify(
    secrets: Sequence[Secret],
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float,
    tolerance_seconds: float = TOLERANCE_SECONDS,
) -> None:
    """Check a received message. `headers`: found by lower-case name; `body`: as it came.

    Raises VerificationError.
    """
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    message_id, timestamp, signatures = (headers.get(name, "") for name in names)
    if not (message_id and timestamp and signatures):
        raise VerificationError(f"one of {', '.join(names)} is missing")
    if not (timestamp.isascii() and timestamp.isdigit()):
        raise VerificationError("webhook-timestamp is not a whole number of seconds")
    if abs(now - float(timestamp)) > tolerance_seconds:
        raise VerificationError(f"webhook-timestamp is more than {tolerance_seconds:.0f} s from now")
    expected = [f"v1,{_signature(secret, message_id, timestamp, body)}" for secret in secrets]
    if not any(hmac.compare_digest(_raw(given), _raw(own)) for given in signatures.split() for own in expected):
        raise VerificationError("no signature matches")


def _signature(secret: Secret, message_id: str, timestamp: str, body: bytes) -> str:
    content = b".".join((_raw(message_id), _raw(timestamp), body))
    return b64encode(hmac.digest(secret.key, content, "sha256")).decode()


def _raw(header: str) -> bytes:
    # HTTP libraries hand over bytes that are not UTF-8 as surrogates.
    return header.encode(errors="surrogateescape")
