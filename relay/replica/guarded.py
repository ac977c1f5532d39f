"""Zendesk, asked only by who owns the account: its budget must not be spent twice."""

import asyncio
from collections.abc import Callable

from relay.core.tokens import TokenRequest
from relay.core.zendesk import NoResponse, Request, Response
from relay.shard.ports import Zendesk

AGAIN_SECONDS = 0.5


class GuardedZendesk:
    """`may_act`: see Replica. A request that may not be made waits, until the shard, being suspended, cuts it short."""

    def __init__(self, zendesk: Zendesk, may_act: Callable[[], bool]) -> None:
        self._zendesk = zendesk
        self._may_act = may_act

    async def get(self, request: Request) -> Response | NoResponse:
        await self._permitted()
        return await self._zendesk.get(request)

    async def post(self, request: TokenRequest) -> Response | NoResponse:
        await self._permitted()
        return await self._zendesk.post(request)

    async def _permitted(self) -> None:
        while not self._may_act():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(AGAIN_SECONDS)
