"""`relay deliveries`: what a running relay owes, or could not deliver, and sending it again."""

from collections.abc import Awaitable, Callable

from relay.app import process
from relay.app.client import Caller, advising, open_session


def run_at(url: str, api_key: str | None, act: Callable[[Caller], Awaitable[int]]) -> int:
    """The exit code of what is done at the relay that runs there. Raises RelayError."""

    async def command() -> int:
        async with open_session(api_key) as session:
            return await act(Caller(session, url))

    with advising():
        return process.run(command())
