"""The accounts to watch: where they are, how to sign in, and how much of their rate limit to take."""

from collections.abc import Iterable
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from relay.config.addresses import HostName, Origin, Proxy, is_loopback
from relay.config.faults import Fault, broken
from relay.config.sections import Listed, Section
from relay.config.values import FilePath, Headers, Hours, Name, Seconds, Secret, Text, Token, unique

RequestsPerMinute = Annotated[float, Field(ge=1, le=100_000)]


class Rate(Section):
    """How much of the account's rate limit relay may take; see `core.pacing`."""

    max_requests_per_minute: RequestsPerMinute = 60
    reserve: Annotated[float, Field(ge=0, le=1)] = 0.25
    share: Annotated[float, Field(gt=0, le=1)] = 0.25
    floor_requests_per_minute: Annotated[float, Field(ge=0, le=100_000)] = 1

    def rules(self) -> Iterable[Fault]:
        if self.floor_requests_per_minute > self.max_requests_per_minute:
            text = f"must not be above max_requests_per_minute, which is {self.max_requests_per_minute:g}"
            yield Fault(path=("floor_requests_per_minute",), text=text)


class Polling(Section):
    fresh_within_seconds: Seconds = 2
    lost_after_seconds: Seconds = 300
    expire_after_hours: Hours = 24

    @property
    def expire_after_seconds(self) -> float:
        return self.expire_after_hours * 3600


class BearerAuth(Section):
    kind: Literal["bearer"]
    token: Token


class ApiTokenAuth(Section):
    kind: Literal["api_token"]
    email: Text
    token: Token


class ClientCredentialsAuth(Section):
    kind: Literal["oauth_client_credentials"]
    client_id: Text
    client_secret: Secret
    scope: Text = "read"


class RefreshTokenAuth(Section):
    kind: Literal["oauth_refresh_token"]
    client_id: Text
    client_secret: Secret
    refresh_token: Secret


Auth = Annotated[BearerAuth | ApiTokenAuth | ClientCredentialsAuth | RefreshTokenAuth, Field(discriminator="kind")]


class RateDefaults(Rate):
    """A part of a rate, whose rules are for the whole."""

    def rules(self) -> Iterable[Fault]:
        return ()


class AccountDefaults(Section):
    """What holds for every account that does not say otherwise. `load` has merged it into the accounts already."""

    rate: RateDefaults = RateDefaults()
    polling: Polling = Polling()
    auth: Auth | None = None


class Account(Section):
    """`base_url` has no path and no slash at its end. `rate` and `polling` are complete, defaults included."""

    name: Name
    base_url: Origin
    allow_http: bool = False
    hosts: Listed[HostName] = ()
    auth: Auth
    rate: Rate = Rate()
    polling: Polling = Polling()
    headers: Headers = Field(default_factory=dict)
    proxy: Proxy | None = None
    ca_file: FilePath | None = None

    @property
    def authorities(self) -> frozenset[str]:
        """The hosts that the account's job URLs may have, with a port where it is not the scheme's own."""
        return frozenset({urlsplit(self.base_url).netloc, *self.hosts})

    def rules(self) -> Iterable[Fault]:
        if self.base_url.startswith("http:") and not self.allow_http:
            yield Fault(path=("base_url",), text="must be an https URL unless allow_http is true")
        for name in self.headers:
            if name.lower() == "authorization":
                yield Fault(path=("headers", name), text="is set by auth")


def claimed(account: Account) -> Iterable[tuple[str, str]]:
    """What no other account may have, with the key that it comes from.

    Two accounts at one place would spend one rate limit twice; on loopback they are for trying things out.
    """
    for authority in sorted(account.authorities):
        if not is_loopback(urlsplit(f"//{authority}").hostname or ""):
            yield authority, "hosts" if authority in account.hosts else "base_url"


def _one_account_per_place(accounts: tuple[Account, ...]) -> tuple[Account, ...]:
    owners: dict[str, str] = {}
    faults = []
    for index, account in enumerate(accounts):
        for authority, key in claimed(account):
            owner = owners.setdefault(authority, account.name)
            if owner != account.name:
                faults.append(Fault(path=(index, key), text=f"{authority} belongs to the account {owner} already"))
    if faults:
        raise broken(faults)
    return accounts


Accounts = Annotated[Listed[Account], AfterValidator(unique("name")), AfterValidator(_one_account_per_place)]
