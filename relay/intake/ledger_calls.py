"""The call for a copy of the ledger."""

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path

from aiohttp import hdrs, web

from relay.errors import LedgerError, Reason, Unavailable
from relay.intake import Backups
from relay.intake.access import Access
from relay.intake.gate import Gate
from relay.intake.keys import Scope
from relay.intake.problems import Code, Problem
from relay.kafka.reachability import Log

SQLITE = "application/vnd.sqlite3"  # https://www.iana.org/assignments/media-types/application/vnd.sqlite3
HEADERS = {hdrs.CONTENT_TYPE: SQLITE, hdrs.CACHE_CONTROL: "no-store"}
CHUNK_BYTES = 256 << 10
COPY_SECONDS_MAX = 900.0
STALLED_SECONDS_MAX = 60.0
RETRY_SECONDS = 30.0


class LedgerCalls:
    """`backups` None: this ledger is no file."""

    def __init__(self, *, backups: Backups | None, access: Access, gate: Gate, log: Log) -> None:
        self._backups = backups
        self._access = access
        self._gate = gate
        self._log = log

    async def back_up(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/ledger/backup: the whole file, as of the moment when it begins to be sent."""
        caller = self._access.caller(request, Scope.ADMIN)
        if not caller.sees_all:
            raise Problem(403, Code.FORBIDDEN, f"it holds every account; the key {caller.name} is for some of them")
        if self._backups is None:
            raise Problem(404, Code.NOT_FOUND, "the ledger is in Kafka, which keeps its copies: there is no file")
        self._gate.check_open()
        if request.method == hdrs.METH_HEAD:
            return web.Response(headers=HEADERS)
        async with AsyncExitStack() as stack:
            response = await _send(request, await self._copied(self._backups, stack))
        self._log.info("ledger.backed_up", caller=caller.name, bytes=response.content_length)
        return response

    async def _copied(self, backups: Backups, stack: AsyncExitStack) -> Path:
        """A copy that lasts as long as the stack. Raises Unavailable, which says why there is none."""
        made: list[Path] = []

        async def make() -> None:
            made.append(await stack.enter_async_context(backups.copied()))

        try:
            await self._gate.rest(make, COPY_SECONDS_MAX)
        except LedgerError as error:
            raise Unavailable(Reason.LEDGER_UNAVAILABLE, str(error), RETRY_SECONDS) from error
        self._gate.check_open()
        if not made:
            raise Unavailable(Reason.LEDGER_UNAVAILABLE, "the disk is too slow to make a copy", RETRY_SECONDS)
        return made[0]


async def _send(request: web.Request, copy: Path) -> web.StreamResponse:
    """Whatever goes wrong cuts the connection, so that nobody takes a part for the whole."""
    response = web.StreamResponse(headers=HEADERS)
    try:
        with copy.open("rb") as file:
            response.content_length = os.fstat(file.fileno()).st_size
            await response.prepare(request)
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                async with asyncio.timeout(STALLED_SECONDS_MAX):
                    await response.write(chunk)
            await response.write_eof()
    except OSError as error:
        raise ConnectionResetError(str(error)) from error
    return response
