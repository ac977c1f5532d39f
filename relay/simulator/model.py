"""The whole stand-in as a pure model: accounts, credentials, limits, faults and the truth behind them.

No clock and no global chance: the same seed and the same requests at the same times give the same bytes.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from relay.simulator.account import Account
from relay.simulator.admission import denial, throttle
from relay.simulator.answer import Answer, Reply, Request
from relay.simulator.budget import Reading
from relay.simulator.denials import no_help_desk
from relay.simulator.faults import Moment
from relay.simulator.kinds import JobKind
from relay.simulator.listing import list_statuses
from relay.simulator.looking_up import show, show_many
from relay.simulator.oauth import Grants
from relay.simulator.plan import Plan
from relay.simulator.planning import Wish
from relay.simulator.rendering import Renderer
from relay.simulator.routing import DEFAULT_ACCOUNT, Call, route
from relay.simulator.scenario import PLAIN, Scenario
from relay.simulator.submitting import submit
from relay.simulator.tenants import Tally
from relay.simulator.visit import Visit

REQUESTS_KEPT = 200_000
ACCOUNTS_MAX = 20_000
UNDISTURBED = Answer(status=200, body=b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """One request to an account. `status` None: the connection was reset. `remaining`: of the minute, after it.

    `remaining` None: the request was turned away before it was counted.
    """

    at: float
    account: str
    call: Call
    ids: int
    status: int | None
    remaining: int | None


class Simulator:
    """`token`: the only one that is accepted besides issued ones, as Bearer or API token; None: any will do, but one
    there must be. `clients`: secrets of OAuth clients by id; None: any client will do.

    `base_url`: what the urls of jobs begin with; None: the address that the caller used. The plain address is the
    account `default`; any other account lives under `/accounts/<name>` and exists as soon as it is asked for.
    `scenario` may be exchanged at any time; jobs that have started keep their course.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        scenario: Scenario = PLAIN,
        base_url: str | None = None,
        token: str | None = None,
        clients: Mapping[str, str] | None = None,
    ) -> None:
        self.scenario = scenario
        self.requests: deque[RequestRecord] = deque(maxlen=REQUESTS_KEPT)
        self._seed = seed
        self._base_url = base_url
        self._token = token
        self._clients = clients
        self._renderer = Renderer()
        self._accounts: dict[str, Account] = {}

    def answer(self, request: Request, now: float) -> Reply:
        """What Zendesk replies to a request that arrives at `now` (seconds since the epoch, never decreasing)."""
        routed = route(request)
        if routed is None or (routed.account not in self._accounts and len(self._accounts) >= ACCOUNTS_MAX):
            return no_help_desk()
        visit = Visit(
            account=self._account(routed.account),
            scenario=self.scenario,
            request=request,
            routed=routed,
            now=now,
            api_url=self.api_url(routed.account, request.base_url),
        )
        reading = None
        reply: Reply | None = denial(visit, self._token)
        if reply is None:
            limit, tenants = visit.scenario.requests_per_minute, visit.scenario.tenants
            reading = visit.account.budget.take(now, limit=limit, tenants=tenants)
            reply = self._reply(visit, reading)
        self.requests.append(_record(visit, reply, reading))
        return reply

    def _reply(self, visit: Visit, reading: Reading) -> Reply:
        headers = visit.scenario.rate_headers.tell(reading, visit.account.random)
        refusal = throttle(visit, reading)
        if refusal is not None:
            return refusal.with_headers(headers)
        match visit.routed.call:
            case Call.START:
                return submit(visit).with_headers(headers)
            case Call.TOKEN:
                return _token(visit, headers)
            case Call.SHOW_MANY:
                return _struck(visit, show_many(visit, self._renderer), headers)
            case Call.SHOW:
                return _struck(visit, show(visit, self._renderer), headers)
            case Call.LIST:
                return _struck(visit, list_statuses(visit, self._renderer), headers)

    def start(
        self, kind: JobKind, item_ids: Sequence[int | str | None], now: float, *, account: str, wish: Wish
    ) -> Plan:
        """Start a job past all limits, as tests and demos want it."""
        return self._account(account).start(kind, item_ids, now=now, wish=wish, scenario=self.scenario)

    def plans(self, account: str | None = None) -> Iterator[Plan]:
        """Every job of one account or of all: the truth, whatever the API says of it."""
        for name, each in self._accounts.items():
            if account in {None, name}:
                yield from each.plans()

    def tenants(self, account: str, now: float) -> Tally:
        """How the account's other integrations fared until now."""
        scenario = self.scenario
        return self._account(account).budget.tally(now, limit=scenario.requests_per_minute, tenants=scenario.tenants)

    def grants(self, account: str) -> Grants:
        """The account's OAuth tokens, to be granted, expired or revoked."""
        return self._account(account).grants

    def api_url(self, account: str, base_url: str) -> str:
        prefix = "" if account == DEFAULT_ACCOUNT else f"/accounts/{account}"
        return f"{self._base_url or base_url}{prefix}/api/v2"

    def _account(self, name: str) -> Account:
        account = self._accounts.get(name)
        if account is None:
            account = self._accounts[name] = Account(name, seed=self._seed, clients=self._clients)
        return account


def _token(visit: Visit, headers: Mapping[str, str]) -> Reply:
    """A request for a token is struck before anything happens: a lost answer must not cost a refresh token."""
    reply = _strike(visit, UNDISTURBED)
    if reply is not None:
        return reply
    if visit.request.method != "POST":
        return Answer(status=404, body=b"")
    answer = visit.account.grants.answer(visit.request.body, visit.now, visit.scenario.oauth)
    return answer.with_headers(headers)


def _struck(visit: Visit, answer: Answer, headers: Mapping[str, str]) -> Reply:
    """The good answer, or what became of it. What does not come from Zendesk itself knows nothing of the limit."""
    answer = answer.with_headers(headers)
    return _strike(visit, answer) or answer


def _strike(visit: Visit, answer: Answer) -> Reply | None:
    """The first fault that strikes has it."""
    token = visit.routed.call is Call.TOKEN
    age_seconds = visit.account.age(visit.now)
    moment = Moment(random=visit.account.random, now=visit.now, age_seconds=age_seconds, token=token)
    struck = (fault.strike(answer, moment) for fault in visit.scenario.faults if fault.everywhere or not token)
    return next((reply for reply in struck if reply is not None), None)


def _record(visit: Visit, reply: Reply, reading: Reading | None) -> RequestRecord:
    return RequestRecord(
        at=visit.now,
        account=visit.account.name,
        call=visit.routed.call,
        ids=len(visit.routed.ids),
        status=reply.status if isinstance(reply, Answer) else None,
        remaining=None if reading is None else reading.remaining,
    )
