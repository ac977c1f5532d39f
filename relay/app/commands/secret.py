"""`relay secret`: a fresh secret, or a pair of keys, to sign webhooks with."""

from base64 import b64encode
from secrets import token_bytes

from relay.app.terminal import console, say
from relay.core.signing import PRIVATE_KEY_PREFIX, SECRET_PREFIX, PrivateKey

KEY_BYTES = 32


def run(*, asymmetric: bool) -> int:
    say(console(), fresh_pair() if asymmetric else fresh_secret())
    return 0


def fresh_secret() -> str:
    return SECRET_PREFIX + b64encode(token_bytes(KEY_BYTES)).decode("ascii")


def fresh_pair() -> str:
    """Two lines that a shell, and most readers of `.env` files, take as assignments."""
    key = PrivateKey.parse(PRIVATE_KEY_PREFIX + b64encode(token_bytes(KEY_BYTES)).decode("ascii"))
    return f"private_key={key.written()}\npublic_key={key.public.written()}"
