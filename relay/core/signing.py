"""Standard Webhooks 1.0.0, symmetric signatures (`v1`): HMAC-SHA256 over `id.timestamp.body`.

See https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import binascii
import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
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
        """The secret that `whsec_` + base64 of 24 to 64 bytes stands for; padding may be missing. Raises SecretError."""
        prefix, encoded = text[: len(SECRET_PREFIX)], text[len(SECRET_PREFIX) :]
        if prefix != SECRET_PREFIX:
            raise SecretError(f"a signing secret starts with {SECRET_PREFIX}")
        try:
            key = b64decode(encoded.rstrip("=") + "=" * (-len(encoded.rstrip("=")) % 4), validate=True)
        except (binascii.Error, ValueError):
            raise SecretError(f"a signing secret is {SECRET_PREFIX} followed by base64; this is not base64") from None
        if not KEY_BYTES_MIN <= len(key) <= KEY_BYTES_MAX:
            raise SecretError(
                f"a signing secret holds {KEY_BYTES_MIN} to {KEY_BYTES_MAX} bytes in base64; this one holds {len(key)}"
            )
        return cls(key=key)


def sign(secrets: Sequence[Secret], message_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` header: one signature per secret, so that receivers may change theirs one after another."""
    return " ".join(f"v1,{_signature(secret, message_id, str(timestamp), body)}" for secret in secrets)


def verify(
    secrets: Sequence[Secret],
    body: bytes,
    *,
    message_id: str,
    timestamp: str,
    signature: str,
    now: float,
    tolerance_seconds: float = TOLERANCE_SECONDS,
) -> None:
    """Check a received message: the three headers as they came ("" for a missing one), the raw body, the time now.

    Raises VerificationError.
    """
    if not (message_id and timestamp and signature):
        raise VerificationError("webhook-id, webhook-timestamp or webhook-signature is missing")
    if not (timestamp.isascii() and timestamp.isdigit()):
        raise VerificationError("webhook-timestamp is not a whole number of seconds")
    # Compared as float: a timestamp of any length must not overflow.
    if abs(now - float(timestamp)) > tolerance_seconds:
        raise VerificationError(f"webhook-timestamp is more than {tolerance_seconds:.0f} s from now")
    given = [
        value.encode() for version, _, value in (part.partition(",") for part in signature.split()) if version == "v1"
    ]
    expected = [_signature(secret, message_id, timestamp, body).encode() for secret in secrets]
    # Every pair is compared, so that the time taken tells nothing.
    if not any([hmac.compare_digest(one, other) for one in given for other in expected]):
        raise VerificationError("no signature matches")


def _signature(secret: Secret, message_id: str, timestamp: str, body: bytes) -> str:
    content = b".".join((message_id.encode(), timestamp.encode(), body))
    return b64encode(hmac.digest(secret.key, content, "sha256")).decode()
