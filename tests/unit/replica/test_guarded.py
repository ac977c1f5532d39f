"""No request is made by who may not make it."""

import asyncio

import pytest
from sim import virtual

from relay.replica.guarded import GuardedZendesk


class Account:
    """A Zendesk account, and whether it may be asked."""

    def __init__(self):
        self.asked = []
        self.ours = True

    async def get(self, request):
        self.asked.append(request)
        return request

    post = get


@pytest.mark.parametrize("call", ["get", "post"])
def test_who_may_not_ask_does_not_and_who_may_does_at_once(call):
    async def story():
        account = Account()
        ask = getattr(GuardedZendesk(account, lambda: account.ours), call)
        assert await ask("first") == "first"
        account.ours = False
        waiting = asyncio.create_task(ask("second"))
        await asyncio.sleep(60)
        assert account.asked == ["first"]
        account.ours = True
        assert await waiting == "second"

    virtual.run(story())
