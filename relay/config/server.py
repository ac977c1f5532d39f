"""Where relay listens, and who may call it."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from relay.config.addresses import Listen
from relay.config.faults import Fault, broken
from relay.config.sections import Listed, Section
from relay.config.values import ApiKeySecret, Name, NamePattern, duplicates, unique

Scope = Literal["submit", "read", "admin"]

KEY_REQUIRED = """\
{address} can be reached from other machines, so callers need a key; add these lines:

server:
  api_keys:
    - name: default
      key: ${{RELAY_API_KEY}}
      scopes: [submit, read, admin]

and set RELAY_API_KEY to a random text of at least 16 characters (openssl rand -hex 24 makes one)"""


class ApiKey(Section):
    """`accounts`: patterns as of fnmatch; jobs of other accounts do not exist for this key."""

    name: Name
    key: ApiKeySecret
    scopes: Annotated[frozenset[Scope], Field(strict=False, min_length=1, max_length=3)] = frozenset({"submit", "read"})
    accounts: Annotated[Listed[NamePattern], Field(min_length=1, max_length=1000)] = ("*",)


def _distinct_keys(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
    faults = [
        Fault(path=(index, "key"), text=f"is the same key as api_keys[{first}]")
        for index, first in duplicates(key.key.get_secret_value() for key in keys)
    ]
    if faults:
        raise broken(faults)
    return keys


class Server(Section):
    """`metrics_listen` None: metrics and health are served on `listen`."""

    listen: Listen
    metrics_listen: Listen | None = None
    api_keys: Annotated[Listed[ApiKey], AfterValidator(unique("name")), AfterValidator(_distinct_keys)] = ()

    def rules(self) -> Iterable[Fault]:
        if not self.listen.loopback and not self.api_keys:
            yield Fault(path=("listen",), text=KEY_REQUIRED.format(address=self.listen))
        if self.metrics_listen == self.listen:
            yield Fault(path=("metrics_listen",), text="must differ from listen")
