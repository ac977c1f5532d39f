"""Events by HTTP POST, signed. Whatever the receiver or the network does, it ends as an `Attempt`."""

import asyncio
from collections.abc import Callable

import aiohttp

from relay.core.delivery import Attempt
from relay.core.events import CloudEvent, structured
from relay.core.webhook import Webhook, excerpt, judge, request_headers
from relay.errors import Reason
from relay.sinks.guard import AddressRefusedError

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

    async def send(self, event: CloudEvent) -> Attempt:
        body = structured(event)
        headers = request_headers(self._webhook, event.id, body, int(self._system_clock()))
        try:
            return await self._post(headers, body)
        # RuntimeError: the event loop's, for some failed connections; ValueError: a host name that IDNA rejects.
        except (aiohttp.ClientError, OSError, RuntimeError, ValueError) as error:
            return Attempt(reason=reason_of(error), detail=describe(error))

    async def close(self) -> None:
        await self._session.close()

    async def _post(self, headers: dict[str, str], body: bytes) -> Attempt:
        async with self._session.post(
            self._webhook.url, data=body, headers=headers, timeout=self._timeout, allow_redirects=False
        ) as response:
            return judge(
                response.status,
                response.headers,
                await _beginning(response),
                now=self._system_clock(),
                hidden=self._webhook.headers.values(),
            )


def reason_of(error: BaseException) -> Reason:
    """Why there was no answer. The order matters: aiohttp's errors are each other's kin."""
    match error:
        case aiohttp.ClientConnectorError(os_error=AddressRefusedError()) | aiohttp.InvalidURL():
            return Reason.ADDRESS_REFUSED
        case TimeoutError():
            return Reason.TIMEOUT
        case aiohttp.ClientConnectorDNSError():
            return Reason.DNS
        case aiohttp.ClientSSLError() | aiohttp.ServerFingerprintMismatch():
            return Reason.TLS
        case aiohttp.ClientConnectorError():
            return Reason.CONNECT
        case aiohttp.ClientConnectionError() | ConnectionError():
            return Reason.RESET
        case aiohttp.ClientResponseError() | aiohttp.ClientPayloadError():
            return Reason.UNREADABLE
    return Reason.CONNECT


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


def describe(error: BaseException) -> str:
    """For people. Not `str(error)` as it is: aiohttp puts the url into some, and that may hold a secret."""
    match error:
        case aiohttp.ClientConnectorError():
            return excerpt(str(error.os_error))
        case aiohttp.ClientResponseError() | aiohttp.ServerDisconnectedError():
            return excerpt(f"{type(error).__name__}: {error.message}")
        case OSError(strerror=str(text)):
            return excerpt(text)
    return type(error).__name__
