"""Events by HTTP POST, signed. Whatever the receiver or the network does, it ends as an `Attempt`."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import replace

import aiohttp

from relay.core.delivery import Attempt
from relay.core.events import CloudEvent, structured
from relay.core.webhook import Webhook, excerpt, judge, request_headers, secrets_of
from relay.network import FAILURES, describe, reason_of
from relay.sinks.guard import check_host

ANSWER_BYTES_MAX = 4_096
ANSWER_SECONDS_MAX = 2.0  # for the body, once the status is there


class WebhookSink:
    """One endpoint. `session`: from `guarded_session`, closed with the sink. `system_clock`: seconds since 1970.

    `tls` None: the system's certificate authorities, and no certificate of ours.
    """

    def __init__(
        self,
        webhook: Webhook,
        *,
        session: aiohttp.ClientSession,
        system_clock: Callable[[], float],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.name = webhook.name
        self._webhook = webhook
        self._session = session
        self._system_clock = system_clock
        self._tls = tls
        self._timeout = aiohttp.ClientTimeout(total=webhook.timeout_seconds)

    def renew(self, webhook: Webhook) -> None:
        """From the next attempt on, other secrets and headers; whatever else differs is not looked at."""
        self._webhook = replace(self._webhook, secrets=webhook.secrets, headers=webhook.headers)

    def renew_tls(self, tls: ssl.SSLContext) -> None:
        """From the next attempt on, connections made with this. Idle ones that were made before are not used again."""
        self._tls = tls

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
        if webhook.proxy is not None:
            check_host(webhook.url, allow_private=webhook.allow_private)
        async with self._session.post(
            webhook.url,
            data=body,
            headers=headers,
            timeout=self._timeout,
            allow_redirects=False,
            proxy=webhook.proxy,
            ssl=self._tls or True,
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
        if response.content.is_eof():  # mostly it came together with the status
            return response.content.read_nowait(ANSWER_BYTES_MAX)
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            while chunk := await response.content.read(ANSWER_BYTES_MAX - len(body)):
                body += chunk
    except (aiohttp.ClientError, OSError):
        pass
    return body
