"""`relay secret`: a fresh secret to sign webhooks with."""

from base64 import b64encode
from secrets import token_bytes

from relay.app.terminal import console, say
from relay.core.signing import SECRET_PREFIX

KEY_BYTES = 32


def run() -> int:
    say(console(), fresh_secret())
    return 0


def fresh_secret() -> str:
    return SECRET_PREFIX + b64encode(token_bytes(KEY_BYTES)).decode("ascii")
