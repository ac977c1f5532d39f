"""Which access token an account's requests carry, when it is renewed, and what a 401 means: OAuth without the network.

An account asks for one token at a time: the poll loop sends nothing else meanwhile. All times are monotonic seconds, so
a system clock that is set neither ends a token's life nor prolongs it; only the record that outlives the process holds
wall time.

A refresh token dies when it is used. Between Zendesk's making the new pair and our having it on disk there is a moment
in which nobody durable knows a token that works, and a crash or a lost reply then leaves none: Zendesk documents no
grace for the old pair. That moment is one reply and one commit long. Afterwards the account is paused as unauthorized
until a new refresh token is configured.
"""

import math

from msgspec.structs import replace

from relay.core.tokens import (
    LIFETIME_SECONDS_MAX,
    Grant,
    RefreshToken,
    Token,
    TokenRecord,
    TokenRequest,
    decode_record,
    encode_record,
    token_request,
)
from relay.core.zendesk import Request
from relay.errors import Reason, Undecipherable

RENEWED_AHEAD = 0.2  # so much of its life before it ends, a token is renewed
RENEWED_AHEAD_SECONDS_MAX = 600.0
POSTPONED_SECONDS_MIN = 10.0  # between two attempts to renew a token that is still good
SIGNED_IN = frozenset({None, Reason.INCOMPLETE, Reason.NOT_FOUND, Reason.REFUSED})  # replies to one who may ask


class Credentials:
    """The tokens of one account in one process.

    A token that came is first `issued`. Where it replaces a refresh token, `record` must become durable before `adopt`
    puts it to use: that is why there are two steps. `pair`: the newest record, durable or about to be.
    """

    def __init__(self, grant: Grant) -> None:
        self._grant = grant
        self._refresh_token = grant.refresh_token if isinstance(grant, RefreshToken) else ""
        self._access_token: str | None = None
        self._expires_at = -math.inf
        self._renew_at = -math.inf
        self._tried = False  # a request has carried the token
        self._trusted = False  # since the last 401, Zendesk has taken a token of ours
        self._issued: Token | None = None
        self._issued_at = -math.inf
        self.record: bytes | None = None
        self.pair: bytes | None = None

    def succeed(self, former: "Credentials", now: float, wall: float) -> None:
        """Go on with the pair of these, which another configuration of the same account had."""
        if former.pair is not None:
            self.restore(former.pair, now, wall)

    def restore(self, record: bytes, now: float, wall: float) -> None:
        """Go on with the pair of an earlier process, unless another refresh token has been configured since."""
        try:
            found = decode_record(record)
        except Undecipherable:
            return
        if not isinstance(self._grant, RefreshToken) or found.descends_from != self._grant.fingerprint:
            return
        self.pair = record
        self._refresh_token = found.refresh_token
        # It may have died meanwhile, and that would be no denial: it is used like one that has been taken before.
        self._use(found.access_token, now, min(found.expires_at - wall, LIFETIME_SECONDS_MAX))
        self._tried = self._trusted = True

    def is_needed(self, now: float) -> bool:
        """Whether a token must be got before the next request. Each is tried once, however short its life."""
        return self._access_token is None or (self._tried and now >= self._renew_at)

    def request(self) -> TokenRequest:
        return token_request(self._grant, self._refresh_token)

    @property
    def waiting(self) -> bool:
        """A token has been issued and is not in use yet."""
        return self._issued is not None

    def issue(self, token: Token, now: float, wall: float) -> None:
        """A token came. `now`, `wall`: when it was asked for, so that we rather think it older than it is."""
        self._issued, self._issued_at = token, now
        if not isinstance(self._grant, RefreshToken):
            return
        self._access_token = None  # its life ended with the refresh token's
        self._refresh_token = token.refresh_token or self._refresh_token
        self.record = self.pair = encode_record(
            TokenRecord(
                refresh_token=self._refresh_token,
                access_token=token.access_token,
                expires_at=wall + token.lifetime_seconds,
                descends_from=self._grant.fingerprint,
            )
        )

    def adopt(self) -> None:
        """Use the token that was issued; `record`, where there is one, is durable."""
        if self._issued is not None:
            self._use(self._issued.access_token, self._issued_at, self._issued.lifetime_seconds)
        self._issued = self.record = None

    def _use(self, access_token: str, now: float, lifetime_seconds: float) -> None:
        self._access_token = access_token
        self._tried = False
        self._expires_at = now + lifetime_seconds
        self._renew_at = self._expires_at - min(RENEWED_AHEAD * lifetime_seconds, RENEWED_AHEAD_SECONDS_MAX)

    def postpone(self, now: float) -> bool:
        """No token was to be had. Whether the one in use is good for a while: then it is renewed later."""
        left = self._expires_at - now
        if self._access_token is None or left < POSTPONED_SECONDS_MIN:
            return False
        self._renew_at = now + max(left / 2, POSTPONED_SECONDS_MIN)
        return True

    def sign(self, request: Request) -> Request:
        self._tried = True
        return replace(request, access_token=self._access_token)

    def heard(self, access_token: str | None, reason: Reason | None) -> bool:
        """Learn from the reply to a request that carried this token. True: repeat it with another, nothing is wrong.

        So it is where the token was replaced while the request was underway, and where Zendesk took it, or its
        predecessors, until now. A 401 for a token that comes straight from the endpoint is a denial; its age would
        not tell, since a patient account may have waited for long before it used it. The next attempt gets a new one.
        """
        if access_token != self._access_token:
            return reason is Reason.UNAUTHORIZED
        if reason is Reason.UNAUTHORIZED:
            self._access_token = None
            trusted, self._trusted = self._trusted, False
            return trusted
        self._trusted = self._trusted or reason in SIGNED_IN
        return False
