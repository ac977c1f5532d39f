"""`relay deliveries recover`: after an outage of a receiver, send it all again that could not be delivered."""

import time
from functools import partial
from urllib.parse import quote

from relay.app import moments
from relay.app.client import Caller, patiently, refusal
from relay.app.commands.deliveries import run_at
from relay.app.terminal import console, say
from relay.core.events import timestamp
from relay.errors import ConfigError


def run(*, sink: str, since: str, until: str | None, url: str, api_key: str | None) -> int:
    """Raises RelayError."""
    now = time.time()
    begin = moments.read("--since", since, now)
    end = now if until is None else moments.read("--until", until, now)
    if begin >= end:
        raise ConfigError("--since: must be before --until")
    span = {"since": timestamp(begin)} | ({} if until is None else {"until": timestamp(end)})

    async def act(caller: Caller) -> int:
        path = f"/v1/sinks/{quote(sink, safe='')}/recover"
        status, answer = await patiently(partial(caller.call, "POST", path, expects="recovered", data=span))
        if status != 200:
            raise refusal(answer)
        say(console(), f"{answer['recovered']} deliveries to {sink} are owed again")
        return 0

    return run_at(url, api_key, act)
