"""The call about accounts."""

from aiohttp import web

from relay.intake import Accounts, views
from relay.intake.access import Access
from relay.intake.calls import JSON_NOW
from relay.intake.keys import Scope


class AccountCalls:
    def __init__(self, *, accounts: Accounts, access: Access) -> None:
        self._accounts = accounts
        self._access = access

    async def list(self, request: web.Request) -> web.Response:
        """GET /v1/accounts: how those stand that the caller sees."""
        caller = self._access.caller(request, Scope.READ)
        seen = [one for one in await self._accounts.standing() if caller.sees(one.name)]
        return web.Response(body=views.accounts(seen), headers=JSON_NOW)
