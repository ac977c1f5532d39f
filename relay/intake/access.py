"""Who may make a call, and what they see."""

from collections.abc import Collection
from dataclasses import dataclass, field

from aiohttp import hdrs, web

from relay.core.allowlist import Allowlist
from relay.intake.accounts import Directory
from relay.intake.keys import Caller, Keyring, Scope
from relay.intake.problems import Code, Problem


@dataclass(slots=True, kw_only=True)
class Access:
    """Who may call, for which accounts, and whom they may have called back. All calls share it; its parts are replaced
    when configured anew.
    """

    keyring: Keyring
    directory: Directory
    callbacks: Allowlist = field(default_factory=Allowlist)

    def caller(self, request: web.Request, *scopes: Scope) -> Caller:
        """Whoever has one of these scopes. Raises Problem 401 or 403."""
        caller = self.keyring.identify(request.headers.get(hdrs.AUTHORIZATION))
        caller.require(*scopes)
        return caller

    def accounts(self, caller: Caller, account: str | None) -> Collection[str] | None:
        """The accounts to look at; None: all. A caller who does not see all gets those that are configured.

        `account`: only this one. Raises Problem 404: it does not exist for the caller.
        """
        if account is None:
            return None if caller.sees_all else self.directory.visible(caller)
        if not caller.sees(account):
            raise Problem(404, Code.NOT_FOUND, "no such account")
        return [account]
