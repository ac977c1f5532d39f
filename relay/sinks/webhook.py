"""Events by HTTP POST, signed. Whatever the receiver or the network does, it ends as an `Attempt`."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import replace

import aiohttp

from relay.core.delivery import Attempt
from relay.core.events import CloudEvent
from relay.core.webhook import Request, Webhook, excerpt, judge, request_of, secrets_of
from relay.interruption import Interruptible
from relay.network import FAILURES, describe, forget_frames, reason_of
from relay.sinks.guard import check_host

ANSWER_BYTES_MAX = 4_096
ANSWER_SECONDS_MAX = 2.0  # for the body, once the status is there
UNLIMITED = aiohttp.ClientTimeout(total=None)  # the sink's own is cheaper


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
        self._in_time = Interruptible(webhook.timeout_seconds)
        self._answer_seconds = min(webhook.timeout_seconds, ANSWER_SECONDS_MAX)

    def renew(self, webhook: Webhook) -> None:
        """From the next attempt on, other secrets and headers; whatever else differs is not looked at."""
        self._webhook = replace(self._webhook, secrets=webhook.secrets, headers=webhook.headers)

    def renew_tls(self, tls: ssl.SSLContext) -> None:
        """From the next attempt on, connections made with this. Idle ones that were made before are not used again."""
        self._tls = tls

    def prepare(self, event: CloudEvent) -> Request:
        return request_of(self._webhook, event, int(self._system_clock()))

    async def send(self, request: Request) -> Attempt:
        webhook = self._webhook
        if request.webhook is not webhook:  # it has been renewed
            request = self.prepare(request.event)
        try:
            response = await self._post(request)
            return judge(
                response.status,
                response.headers,
                await self._beginning(response),
                now=self._system_clock(),
                hidden=secrets_of(webhook),
            )
        except FAILURES as error:
            forget_frames(error)
            return Attempt(reason=reason_of(error), detail=excerpt(describe(error)))

    async def close(self) -> None:
        await self._session.close()

    async def _post(self, request: Request) -> aiohttp.ClientResponse:
        webhook = request.webhook
        if webhook.proxy is not None:
            check_host(webhook.url, allow_private=webhook.allow_private)
        with self._in_time:
            return await self._session.post(
                webhook.url,
                data=request.body,
                headers=request.headers,
                timeout=UNLIMITED,
                allow_redirects=False,
                proxy=webhook.proxy,
                ssl=self._tls or True,
            )

    async def _beginning(self, response: aiohttp.ClientResponse) -> bytes:
        """What fits the bound of the answer's body. The status has said all that counts, so the body may fail."""
        if response.content.is_eof():  # mostly it came together with the status, and the connection is free again
            return response.content.read_nowait(ANSWER_BYTES_MAX)
        body = b""
        try:
            async with response, asyncio.timeout(self._answer_seconds):
                while chunk := await response.content.read(ANSWER_BYTES_MAX - len(body)):
                    body += chunk
        except (aiohttp.ClientError, OSError) as error:
            forget_frames(error)
        return body
