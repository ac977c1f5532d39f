"""Gets an account its access token: one paced request like any other, and a commit before a rotated pair is used."""

from relay.core.credentials import Credentials
from relay.core.pacing import Pacer
from relay.core.tokens import decipher_token
from relay.core.zendesk import Reply
from relay.errors import Reason, Unavailable
from relay.shard.intents import Note
from relay.shard.ports import Account, Surroundings
from relay.shard.writer import Writer

TOKEN_MARK = "token:"  # noqa: S105 - + account: its newest pair, a secret. See `core.tokens.TokenRecord`


class Renewal:
    """The ledger then holds what signs in: `token:<account>` is as much a secret as the configuration's."""

    def __init__(self, *, writer: Writer, surroundings: Surroundings) -> None:
        self._writer = writer
        self._around = surroundings

    async def renew(self, account: Account, credentials: Credentials, pacer: Pacer) -> Reply | None:
        """None: the account has a token to use. Otherwise why it has not. To be called where the pacer allows."""
        if not credentials.waiting:
            refusal = await self._ask(account, credentials, pacer)
            if refusal is not None:
                return refusal
        if credentials.record is not None:
            try:
                await self._writer.submit(Note(name=TOKEN_MARK + account.name, value=credentials.record))
            except Unavailable as refusal:
                return Reply(reason=refusal.reason, detail=str(refusal))
        credentials.adopt()
        return None

    async def _ask(self, account: Account, credentials: Credentials, pacer: Pacer) -> Reply | None:
        clock = self._around.clock
        asked_at, wall = clock.monotonic(), clock.now()
        pacer.sent(asked_at)
        request = credentials.request()
        answer = decipher_token(request, await account.zendesk.post(request), clock.now())
        now = clock.monotonic()
        pacer.heard(answer.reply.rate, now)
        self._around.metrics.request(account.name, answer.reply.reason or "ok", now - asked_at)
        if answer.token is None:
            return self._refused(account, credentials, answer.reply, now)
        credentials.issue(answer.token, asked_at, wall)
        return None

    def _refused(self, account: Account, credentials: Credentials, reply: Reply, now: float) -> Reply | None:
        """A token that is renewed ahead outlives a trouble of the endpoint; only a 429 is about the whole account."""
        told_to_wait = reply.reason is Reason.RATE_LIMITED or reply.retry_after_seconds is not None
        if told_to_wait or not credentials.postpone(now):
            return reply
        self._around.log.warning("token.not_renewed", account=account.name, reason=reply.reason, detail=reply.detail)
        return None
