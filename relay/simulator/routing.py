"""What a request is about, by its method and path."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from relay.simulator.answer import Request

DEFAULT_ACCOUNT = "default"
_API, _TOKENS = "/api/v2/", "/oauth/tokens"


class Call(StrEnum):
    """As the log of requests names it."""

    SHOW_MANY = "show_many"
    SHOW = "show"
    LIST = "list"
    START = "start"
    TOKEN = "token"  # noqa: S105 - a name, no secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """A request understood. `path` is below /api/v2, without `.json`; `ids` are the job ids it asks for."""

    account: str
    call: Call
    path: str = ""
    ids: Sequence[str] = ()


def route(request: Request) -> Routed | None:
    """None: no help desk is at this address."""
    prefix, found, path = request.path.partition(_API)
    if not found:
        prefix, found, path = request.path.partition(_TOKENS)
        if not found or path:
            return None
    account = _account(prefix)
    if account is None:
        return None
    return Routed(account=account, call=Call.TOKEN) if not path else _route_api(request, account, path)


def _account(prefix: str) -> str | None:
    if not prefix:
        return DEFAULT_ACCOUNT
    root, _, name = prefix.rpartition("/")
    return name if root == "/accounts" and name else None


def _route_api(request: Request, account: str, path: str) -> Routed:
    path = path.removesuffix(".json")
    if request.method != "GET" or not path.startswith("job_statuses"):
        return Routed(account=account, call=Call.START, path=path)
    if path == "job_statuses":
        return Routed(account=account, call=Call.LIST, path=path)
    if path == "job_statuses/show_many":
        ids = [part for part in request.query.get("ids", "").split(",") if part]
        return Routed(account=account, call=Call.SHOW_MANY, path=path, ids=ids)
    return Routed(account=account, call=Call.SHOW, path=path, ids=(path.removeprefix("job_statuses/"),))
