"""Events by HTTP POST, signed. Whatever the receiver or the network does, it ends as an `Attempt`."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import aiohttp

from relay.core.delivery import Attempt
from relay.core.events import CloudEvent, structured
from relay.core.webhook import Webhook, excerpt, judge, request_headers, secrets_of
from relay.network import FAILURES, describe, reason_of

ANSWER_BYTES_MAX = 4_096
ANSWER_SECONDS_MAX = 2.0  # for the body, once the status is there


class WebhookSink:
    """One endpoint. `session`: from `guarded_session`, closed with the sink. `system_clock`: seconds since 1970."""

    def __init__(self, webhook: Webhook, *, session: aiohttp.ClientSession, system_clock: Callable[[], float]) -> None:
        self.name = webhook.name
        self._webhook = webhook
        self._session = session
        self._system_clock = system_clock
        self._timeout = aiohttp.ClientTimeout(total=webhook.timeout_seconds)

    def renew(self, webhook: Webhook) -> None:
        """From the next attempt on, other secrets and headers; whatever else differs is not looked at."""
        self._webhook = replace(self._webhook, secrets=webhook.secrets, headers=webhook.headers)

    async def send(self, event: CloudEvent) -> Attempt:
        body = structured(event)
        webhook = self._webhook
        headers = request_headers(webhook, event, body, int(self._system_clock()))
        try:
            return await self._post(webhook, headers, body)
        except FAILURES as error:
            return Attempt(reason=reason_of(error), detail=excerpt(describe(error)))

    async def close(self) -> None:
        await self._session.close()

    async def _post(self, webhook: Webhook, headers: dict[str, str], body: bytes) -> Attempt:
        async with self._session.post(
            webhook.url, data=body, headers=headers, timeout=self._timeout, allow_redirects=False
        ) as response:
            return judge(
                response.status,
                response.headers,
                await _beginning(response),
                now=self._system_clock(),
                hidden=secrets_of(webhook),
            )


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    """What fits the bound of the answer's body. The status has said all that counts, so the body may fail."""
    body = b""
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            while chunk := await response.content.read(ANSWER_BYTES_MAX - len(body)):
                body += chunk
    except (aiohttp.ClientError, OSError):
        pass
    return body
