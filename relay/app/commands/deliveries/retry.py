"""`relay deliveries retry`: attempt these deliveries now, whatever came of them before."""

import asyncio
from collections.abc import Sequence
from functools import partial
from urllib.parse import quote

from relay.app.client import Caller, patiently, refusal
from relay.app.commands.deliveries import run_at
from relay.app.ids import read
from relay.app.terminal import COLOURS, console, say
from relay.core.webhook import excerpt

AT_ONCE_MAX = 16


def run(*, ids: Sequence[str], url: str, api_key: str | None) -> int:
    """0; 1 where there is no such delivery (any more). Raises RelayError."""
    wanted = read(ids)

    async def act(caller: Caller) -> int:
        out, unknown = console(), 0
        for start in range(0, len(wanted), AT_ONCE_MAX):
            some = wanted[start : start + AT_ONCE_MAX]
            known = await asyncio.gather(*(_retry(caller, delivery) for delivery in some))
            for delivery, is_known in zip(some, known, strict=True):
                result = "retrying" if is_known else "unknown"
                say(out, (result, COLOURS[result]), f" {excerpt(delivery)}")
                unknown += not is_known
        return int(unknown > 0)

    return run_at(url, api_key, act)


async def _retry(caller: Caller, delivery: str) -> bool:
    """Whether there is such a delivery."""
    path = f"/v1/deliveries/{quote(delivery, safe='')}/retry"
    status, answer = await patiently(partial(caller.call, "POST", path, expects="id"))
    if status == 404:
        return False
    if status >= 400:
        raise refusal(answer)
    return True
