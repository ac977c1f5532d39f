"""Sinks for the urls that submitters name. Nothing is kept for a single url: there may be millions."""

from collections.abc import Callable

from relay.core.allowlist import Allowlist, NotAllowed
from relay.core.callbacks import CALLBACK
from relay.core.webhook import Webhook
from relay.sinks.guard import guarded_session
from relay.sinks.webhook import WebhookSink


class CallbackSinks:
    """To be closed by its owner. `system_clock`: seconds since 1970."""

    def __init__(self, allowlist: Allowlist, *, system_clock: Callable[[], float]) -> None:
        self._allowlist = allowlist
        self._system_clock = system_clock
        # A connection that was made where private addresses are allowed must not serve where they are not.
        self._sessions = {private: guarded_session(allow_private=private) for private in (False, True)}

    def renew(self, allowlist: Allowlist) -> None:
        """From the next attempt on, these hosts and secrets."""
        self._allowlist = allowlist

    @property
    def configured(self) -> bool:
        """Whether any url could be allowed."""
        return bool(self._allowlist)

    def sink_for(self, url: str) -> WebhookSink | None:
        """Signs with the secrets of the host that the url names; not to be closed. None: it is not allowed (now)."""
        try:
            host = self._allowlist.allowed(url)
        except NotAllowed:
            return None
        return WebhookSink(
            Webhook(name=CALLBACK, url=url, secrets=host.secrets, allow_private=host.allow_private),
            session=self._sessions[host.allow_private],
            system_clock=self._system_clock,
        )

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()
