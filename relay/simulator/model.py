"""The whole stand-in as a pure model: accounts, credentials, limits, faults and the truth behind them.

No clock and no global chance: the same seed and the same requests at the same times give the same bytes.
"""

from base64 import b64decode
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil

from relay.simulator.account import Account
from relay.simulator.answer import TEXT, Answer, Reply, Request
from relay.simulator.api import READS, Api, Call, Routed, route
from relay.simulator.budget import Reading
from relay.simulator.faults import RATE_LIMIT_TEXT, throttled, unauthenticated
from relay.simulator.kinds import JobKind
from relay.simulator.plan import Plan
from relay.simulator.planning import Wish
from relay.simulator.scenario import SCENARIOS, Scenario

DEFAULT_ACCOUNT = "default"
REQUESTS_KEPT = 200_000
ACCOUNTS_MAX = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """One request to an account's API. `status` None: the connection was reset. `remaining`: of the minute, after it.

    `remaining` None: the request was turned away before it was counted.
    """

    at: float
    account: str
    call: Call
    ids: int
    status: int | None
    remaining: int | None


class Simulator:
    """`token`: the only one that is accepted, as Bearer or API token; None: any will do, but one there must be.

    `base_url`: what the urls of jobs begin with; None: the address that the caller used. The plain address is the
    account `default`; any other account lives under `/accounts/<name>` and exists as soon as it is asked for.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        scenario: Scenario = SCENARIOS["calm"],
        base_url: str | None = None,
        token: str | None = None,
    ) -> None:
        self.scenario = scenario
        self.requests: deque[RequestRecord] = deque(maxlen=REQUESTS_KEPT)
        self._seed = seed
        self._base_url = base_url
        self._token = token
        self._api = Api(job_limit=scenario.job_limit)
        self._accounts: dict[str, Account] = {}

    def answer(self, request: Request, now: float) -> Reply:
        """What Zendesk replies to a request that arrives at `now` (seconds since the epoch, never decreasing)."""
        name, path = _split(request.path)
        if path is None or (name not in self._accounts and len(self._accounts) >= ACCOUNTS_MAX):
            return Answer(status=404, body=b"No help desk at this address", content_type=TEXT)
        account = self._account(name)
        routed = route(request, path)
        reading = None
        reply: Reply = unauthenticated()
        if self._authenticated(request.authorization):
            reading = account.budget.take(now)
            reply = self._reply(account, routed, request, now, reading)
        self.requests.append(_record(now, account, routed, reply, reading))
        return reply

    def _reply(self, account: Account, routed: Routed, request: Request, now: float, reading: Reading) -> Reply:
        refusal = _throttle(account, reading, now)
        if refusal is not None:
            return _with_headers(refusal, reading)
        answer = self._api.answer(account, routed, request, now, self.api_url(account.name, request.base_url))
        answer = _with_headers(answer, reading)
        return self._strike(account, answer, now) if routed.call in READS else answer

    def _strike(self, account: Account, answer: Answer, now: float) -> Reply:
        """The first fault that strikes has it; a 429 then holds for as long as it says."""
        age_seconds = account.age(now)
        for fault in self.scenario.faults:
            reply = fault.strike(answer, account.random, age_seconds)
            if isinstance(reply, Answer) and reply.status == 429:
                account.throttled_until = now + float(reply.headers.get("Retry-After", 0))
            if reply is not None:
                return reply
        return answer

    def start(
        self, kind: JobKind, item_ids: Sequence[int | str | None], now: float, *, account: str, wish: Wish
    ) -> Plan:
        """Start a job past all limits, as tests and demos want it."""
        return self._account(account).start(kind, item_ids, now, wish)

    def plans(self, account: str | None = None) -> Iterator[Plan]:
        """Every job of one account or of all: the truth, whatever the API says of it."""
        for name, each in self._accounts.items():
            if account in {None, name}:
                yield from each.plans()

    def api_url(self, account: str, base_url: str) -> str:
        prefix = "" if account == DEFAULT_ACCOUNT else f"/accounts/{account}"
        return f"{self._base_url or base_url}{prefix}/api/v2"

    def _account(self, name: str) -> Account:
        account = self._accounts.get(name)
        if account is None:
            account = self._accounts[name] = Account(name, seed=self._seed, scenario=self.scenario)
        return account

    def _authenticated(self, authorization: str | None) -> bool:
        """Bearer, or Basic with `email/token:token`; email and password are no longer taken."""
        scheme, _, credentials = (authorization or "").partition(" ")
        if scheme.lower() == "basic":
            credentials = _api_token(credentials)
        elif scheme.lower() != "bearer":
            return False
        return bool(credentials) and self._token in {None, credentials}


def _split(path: str) -> tuple[str, str | None]:
    """Account, and path below /api/v2; None: not the API."""
    prefix, found, rest = path.partition("/api/v2/")
    if not found:
        return DEFAULT_ACCOUNT, None
    if not prefix:
        return DEFAULT_ACCOUNT, rest
    root, _, name = prefix.rpartition("/")
    return name, rest if root == "/accounts" and name else None


def _api_token(credentials: str) -> str:
    try:
        _, found, token = b64decode(credentials, validate=True).decode().partition("/token:")
    except ValueError:
        return ""
    return token if found else ""


def _throttle(account: Account, reading: Reading, now: float) -> Answer | None:
    if reading.spent:
        headers = {"Retry-After": str(reading.reset_seconds)}
        return Answer(status=429, body=RATE_LIMIT_TEXT, content_type=TEXT, headers=headers)
    if now < account.throttled_until:
        return throttled(account.random, ceil(account.throttled_until - now))
    return None


def _with_headers(answer: Answer, reading: Reading) -> Answer:
    return replace(answer, headers={**reading.headers(), **answer.headers})


def _record(now: float, account: Account, routed: Routed, reply: Reply, reading: Reading | None) -> RequestRecord:
    return RequestRecord(
        at=now,
        account=account.name,
        call=routed.call,
        ids=len(routed.ids),
        status=reply.status if isinstance(reply, Answer) else None,
        remaining=None if reading is None else reading.remaining,
    )
