"""Attempts to publish what is owed to a sink that is `in_ledger`, and could not be published at once."""

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

from relay.core.delivery import Attempt
from relay.errors import Unavailable
from relay.shard.arrears import AGAIN_AFTER_SECONDS, Publish
from relay.shard.claims import Underway
from relay.shard.ports import Surroundings
from relay.shard.routes import Route
from relay.shard.writer import Writer


class Published(NamedTuple):
    """An attempt that has ended and is recorded."""

    attempt: Attempt | None


class Publishing:
    """Attempts of one endpoint. They are commits, which go on where attempts to deliver are cut short."""

    def __init__(self, *, route: Route, writer: Writer, surroundings: Surroundings) -> None:
        self._route = route
        self._writer = writer
        self._random = surroundings.random

    def prepare(self, ahead: Iterable[Underway]) -> None:
        """Nothing: it is rendered when it is committed."""

    async def attempt(self, underway: Underway, *, probe: bool) -> Published | None:
        """None: nothing is known or recorded of it."""
        publish = Publish(
            underway=underway,
            subscription=self._route.recipient(underway.delivery, underway.job).subscription,
            schedule=self._route.schedule,
            jitter=self._random.random(),
            probe=probe,
        )
        try:
            return Published(await self._writer.submit(publish))
        except Unavailable as refusal:
            if not self._writer.draining:
                await asyncio.sleep(min(refusal.retry_after_seconds, AGAIN_AFTER_SECONDS))
            return None
