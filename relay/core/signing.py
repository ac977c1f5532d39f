"""Standard Webhooks 1.0.0: HMAC-SHA256 (`v1`) and ed25519 (`v1a`) signatures over `id.timestamp.body`.

See https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from relay.errors import RelayError

SECRET_PREFIX = "whsec_"  # noqa: S105 - the mark of a secret, not one
PRIVATE_KEY_PREFIX, PUBLIC_KEY_PREFIX = "whsk_", "whpk_"
KEY_BYTES_MIN, KEY_BYTES_MAX = 24, 64
ED25519_BYTES = 32  # of a seed, and of a public key
TOLERANCE_SECONDS = 300.0
PIECE_BYTES = 2_047
"""What is hashed at once: with more, hashlib lets go of the interpreter's lock, and beside a thread that works (the
ledger's) to get it back takes several times as long as the hashing."""


class SecretError(RelayError, ValueError):
    """The text is not a key of the kind that is needed. The message never holds the text."""


class VerificationError(RelayError):
    """The message is not from a holder of the secret, or not from now."""


@dataclass(frozen=True, kw_only=True)
class Secret:
    """A key that both sides have, to sign and to verify with: `v1`. It does not print."""

    key: bytes = field(repr=False)

    @cached_property
    def _keyed(self) -> hmac.HMAC:
        """Copied for each signature: to begin with the key costs as much as to hash a kilobyte."""
        return hmac.new(self.key, digestmod="sha256")

    @classmethod
    def parse(cls, text: str) -> Self:
        """The secret written as `whsec_` + base64 of 24 to 64 bytes; padding may be missing. Raises SecretError."""
        key = _decoded(text, SECRET_PREFIX)
        if not KEY_BYTES_MIN <= len(key) <= KEY_BYTES_MAX:
            raise SecretError(
                f"{SECRET_PREFIX}… holds {KEY_BYTES_MIN} to {KEY_BYTES_MAX} bytes in base64; this one holds {len(key)}"
            )
        return cls(key=key)

    def sign(self, content: bytes) -> str:
        mac = self._keyed.copy()
        for start in range(0, len(content), PIECE_BYTES):
            mac.update(content[start : start + PIECE_BYTES])
        return f"v1,{b64encode(mac.digest()).decode()}"

    def verifies(self, signatures: Sequence[str], content: bytes) -> bool:
        """Whether any of them is this key's."""
        own = _raw(self.sign(content))
        return any(hmac.compare_digest(_raw(given), own) for given in signatures)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateKey:
    """The sender's half of an ed25519 key: `v1a`. It does not print."""

    key: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key written as `whsk_` + base64. Raises SecretError.

        Two forms are about: the seed of 32 bytes (RFC 8032's private key; the specification's own library in Go), and
        the seed with the public key behind it, 64 bytes (Svix).
        """
        raw = _decoded(text, PRIVATE_KEY_PREFIX)
        if len(raw) not in {ED25519_BYTES, 2 * ED25519_BYTES}:
            raise SecretError(f"{PRIVATE_KEY_PREFIX}… holds 32 or 64 bytes in base64; this one holds {len(raw)}")
        key = Ed25519PrivateKey.from_private_bytes(raw[:ED25519_BYTES])
        if raw[ED25519_BYTES:] not in {b"", key.public_key().public_bytes_raw()}:
            raise SecretError(f"the second half of {PRIVATE_KEY_PREFIX}… is not the public key of the first")
        return cls(key=key)

    @property
    def public(self) -> "PublicKey":
        return PublicKey(key=self.key.public_key())

    def sign(self, content: bytes) -> str:
        return f"v1a,{b64encode(self.key.sign(content)).decode()}"

    def written(self) -> str:
        """The secret itself, for the configuration: the seed only, which every library of ed25519 takes."""
        return PRIVATE_KEY_PREFIX + b64encode(self.key.private_bytes_raw()).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """The receiver's half of an ed25519 key: `v1a`."""

    key: Ed25519PublicKey

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key written as `whpk_` + base64 of 32 bytes. Raises SecretError."""
        raw = _decoded(text, PUBLIC_KEY_PREFIX)
        if len(raw) != ED25519_BYTES:
            raise SecretError(f"{PUBLIC_KEY_PREFIX}… holds 32 bytes in base64; this one holds {len(raw)}")
        return cls(key=Ed25519PublicKey.from_public_bytes(raw))

    def verifies(self, signatures: Sequence[str], content: bytes) -> bool:
        """Whether any of them was made with the other half of this key."""
        parts = (given.partition(",") for given in signatures)
        return any(self._verifies(encoded, content) for version, _, encoded in parts if version == "v1a")

    def _verifies(self, encoded: str, content: bytes) -> bool:
        try:
            self.key.verify(b64decode(encoded, validate=True), content)
        except (InvalidSignature, ValueError):
            return False
        return True

    def written(self) -> str:
        return PUBLIC_KEY_PREFIX + b64encode(self.key.public_bytes_raw()).decode()


Signer = Secret | PrivateKey
Verifier = Secret | PublicKey


def signer(text: str) -> Signer:
    """What a sender signs with: `whsec_…` or `whsk_…`. Raises SecretError."""
    if text.startswith(SECRET_PREFIX):
        return Secret.parse(text)
    if text.startswith(PRIVATE_KEY_PREFIX):
        return PrivateKey.parse(text)
    if text.startswith(PUBLIC_KEY_PREFIX):
        raise SecretError(f"{PUBLIC_KEY_PREFIX}… is for receivers; a sender signs with {PRIVATE_KEY_PREFIX}…")
    raise SecretError(f"a signing secret starts with {SECRET_PREFIX} or {PRIVATE_KEY_PREFIX}")


def verifier(text: str) -> Verifier:
    """What a receiver verifies with: `whsec_…` or `whpk_…`. Raises SecretError."""
    if text.startswith(SECRET_PREFIX):
        return Secret.parse(text)
    if text.startswith(PUBLIC_KEY_PREFIX):
        return PublicKey.parse(text)
    if text.startswith(PRIVATE_KEY_PREFIX):
        raise SecretError(f"{PRIVATE_KEY_PREFIX}… is for the sender; a receiver verifies with {PUBLIC_KEY_PREFIX}…")
    raise SecretError(f"what verifies starts with {SECRET_PREFIX} or {PUBLIC_KEY_PREFIX}")


def sign(signers: Sequence[Signer], message_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` header: a signature per key, so that receivers may change theirs at their own time."""
    content = _content(message_id, str(timestamp), body)
    return " ".join([one.sign(content) for one in signers])


def verify(
    verifiers: Sequence[Verifier],
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float,
    tolerance_seconds: float = TOLERANCE_SECONDS,
) -> None:
    """Check a received message: one signature that one of the keys verifies is enough; unknown versions are ignored.

    `headers`: found by lower-case name; `body`: as it came. Raises VerificationError.
    """
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    message_id, timestamp, signatures = (headers.get(name, "") for name in names)
    if not (message_id and timestamp and signatures):
        raise VerificationError(f"one of {', '.join(names)} is missing")
    if not (timestamp.isascii() and timestamp.isdigit()):
        raise VerificationError("webhook-timestamp is not a whole number of seconds")
    if abs(now - float(timestamp)) > tolerance_seconds:
        raise VerificationError(f"webhook-timestamp is more than {tolerance_seconds:.0f} s from now")
    content = _content(message_id, timestamp, body)
    if not any(one.verifies(signatures.split(), content) for one in verifiers):
        raise VerificationError("no signature matches")


def _decoded(text: str, prefix: str) -> bytes:
    if not text.startswith(prefix):
        raise SecretError(f"such a key starts with {prefix}")
    encoded = text.removeprefix(prefix).rstrip("=")
    try:
        return b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        raise SecretError(f"after {prefix} comes base64; this is not base64") from None


def _content(message_id: str, timestamp: str, body: bytes) -> bytes:
    return b".".join((_raw(message_id), _raw(timestamp), body))


def _raw(header: str) -> bytes:
    # HTTP libraries hand over bytes that are not UTF-8 as surrogates.
    return header.encode(errors="surrogateescape")
