"""A whole relay in one process and in virtual time: shard, reference ledger, the Zendesk model, receivers.

Nothing here is a mock: the ledger is the reference that the contract suite holds, Zendesk is the model behind
`relay simulate`, and the sinks remember what they took.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
from sim.virtual import VirtualClock

from relay.core.delivery import Attempt, Schedule, Subscription
from relay.core.events import CloudEvent
from relay.core.job import EventType, TrackRequest
from relay.core.observe import Rules
from relay.core.pacing import Rate
from relay.core.record import Batch
from relay.core.tokens import TOKEN_PATH, Grant, TokenRequest
from relay.core.zendesk import NoResponse, Request, Response
from relay.errors import LedgerError, Reason
from relay.ledger.memory import MemoryLedger
from relay.shard import Shard
from relay.shard.feed import Feed
from relay.shard.ports import Account, CallbackSinks, Polling, Settings, Subscriber, Surroundings
from relay.simulator import SCENARIOS, Simulator
from relay.simulator.answer import Hangup
from relay.simulator.answer import Request as ModelRequest
from relay.simulator.kinds import KINDS
from relay.simulator.planning import Wish
from relay.simulator.truth import truth_of

TIMEOUT_SECONDS = 30.0  # after which the transport gives up


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request and what came of it, as the relay of this `life` met them. Monotonic seconds.

    `status`: None where no answer came.
    """

    life: int
    account: str
    path: str
    sent_at: float
    heard_at: float
    status: int | None
    headers: Mapping[str, str]


class ModelZendesk:
    """One account of the model, without sockets; `round_trip_seconds` passes on the way. `log` takes what happened."""

    def __init__(
        self,
        simulator: Simulator,
        account: str,
        clock: VirtualClock,
        round_trip_seconds: float = 0.1,
        *,
        life: int = 0,
        log: list[Exchange] | None = None,
    ) -> None:
        self._simulator, self._account, self._clock = simulator, account, clock
        self._round_trip = round_trip_seconds
        self._life = life
        self._log = [] if log is None else log

    async def get(self, request: Request) -> Response | NoResponse:
        url = urlsplit(f"/accounts/{self._account}{request.path}")
        authorization = f"Bearer {request.access_token or 'x'}"
        return await self._exchange(
            ModelRequest(method="GET", path=url.path, query=dict(parse_qsl(url.query)), authorization=authorization)
        )

    async def post(self, request: TokenRequest) -> Response | NoResponse:
        path = f"/accounts/{self._account}{TOKEN_PATH}"
        return await self._exchange(ModelRequest(method="POST", path=path, body=request.body))

    async def _exchange(self, request: ModelRequest) -> Response | NoResponse:
        sent_at = self._clock.monotonic()
        response = await self._carry(request)
        answered = isinstance(response, Response)
        self._log.append(
            Exchange(
                life=self._life,
                account=self._account,
                path=request.path,
                sent_at=sent_at,
                heard_at=self._clock.monotonic(),
                status=response.status if answered else None,
                headers=response.headers if answered else {},
            )
        )
        return response

    async def _carry(self, request: ModelRequest) -> Response | NoResponse:
        await asyncio.sleep(self._round_trip / 2)
        answer = self._simulator.answer(request, self._clock.now())
        await asyncio.sleep(self._round_trip / 2)
        if isinstance(answer, Hangup):
            return NoResponse(reason=Reason.RESET, detail="reset")
        slow_seconds = answer.delay_seconds + answer.drip_seconds
        await asyncio.sleep(min(slow_seconds, TIMEOUT_SECONDS))
        if slow_seconds > TIMEOUT_SECONDS:
            return NoResponse(reason=Reason.TIMEOUT, detail="slow")
        if answer.cut_after is not None:
            return NoResponse(reason=Reason.UNREADABLE, detail="cut")
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Response(status=answer.status, headers=headers, body=answer.body)


class Ready(CloudEvent, frozen=True):
    """An event that was prepared."""


class PlainSink:
    """To be given a `send`. It holds nothing."""

    def prepare(self, event: CloudEvent) -> Ready:
        return Ready(**{name: getattr(event, name) for name in event.__struct_fields__})

    async def close(self) -> None: ...


class Receiver(PlainSink):
    """A sink that remembers what it was sent. `failing`: how often it refuses an event, or takes it and says no."""

    def __init__(self, clock: VirtualClock, random: Random, failing: float = 0.0) -> None:
        self._clock, self._random, self.failing = clock, random, failing
        self.taken: list[CloudEvent] = []

    async def send(self, event: Ready) -> Attempt:
        assert isinstance(event, Ready)
        await asyncio.sleep(0.02)
        fate = self._random.random()
        if fate < self.failing / 2:
            return Attempt(reason=Reason.SERVER_ERROR)
        self.taken.append(event)
        if fate < self.failing:
            return Attempt(reason=Reason.TIMEOUT)  # taken, but the answer got lost
        return Attempt()

    def by_job(self) -> dict[str, list[CloudEvent]]:
        events = defaultdict(list)
        for event in self.taken:
            events[event.subject].append(event)
        return events


class UnreliableLedger(MemoryLedger):
    """The reference, with outages: nothing can be written between `fails_from` and `fails_until`."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock
        self.outages: list[tuple[float, float]] = []
        self.commits = 0

    async def commit(self, batch: Batch) -> None:
        await asyncio.sleep(0.002)
        now = self._clock.monotonic()
        if any(start <= now < end for start, end in self.outages):
            raise LedgerError("disk full")
        self.commits += 1
        await super().commit(batch)


class _Silent:
    """Metrics and log that only remember the log's lines: `logged` has their event names, `lines` their fields, too."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    @property
    def logged(self) -> list[str]:
        return [event for event, _ in self.lines]

    def __getattr__(self, name: str) -> Any:
        def note(event: str = "", *_: object, **fields: object) -> None:
            if name in {"info", "warning", "error"}:
                self.lines.append((event, fields))

        return note


class World:
    """Everything that outlives a relay process: Zendesk, the ledger, the receivers, time."""

    def __init__(
        self, *, seed: int = 1, scenario: Any = SCENARIOS["mixed"], accounts: Sequence[str] = ("acme",)
    ) -> None:
        self.random = Random(seed)
        self.clock = VirtualClock()
        self.simulator = Simulator(seed=seed, scenario=scenario)
        self.accounts = accounts
        self.ledger = UnreliableLedger(self.clock)
        self.subscriptions = [Subscription(sink="all", types=frozenset(EventType)), Subscription(sink="final")]
        self.receivers = {each.sink: Receiver(self.clock, self.random) for each in self.subscriptions}
        self.callbacks: CallbackSinks | None = None
        self.schedule = Schedule()
        self.concurrency = 8
        self.rates: dict[str, float] = {}  # deliveries per second, by sink
        self.polling = Polling()
        self.rate = Rate()
        self.log = _Silent()
        self.grants: dict[str, Grant] = {}
        self.exchanges: list[Exchange] = []
        self.lives = 0
        self.feed: Feed | None = None  # one that outlives a relay process; None: each has its own

    def zendesk(self, account: str) -> ModelZendesk:
        return ModelZendesk(self.simulator, account, self.clock, life=self.lives, log=self.exchanges)

    def shard(self) -> Shard:
        self.lives += 1
        return Shard(
            record=self.ledger,
            accounts=[
                Account(
                    name=name,
                    source=f"https://{name}.zendesk.com/api/v2/job_statuses",
                    rate=self.rate,
                    polling=self.polling,
                    zendesk=self.zendesk(name),
                    grant=self.grants.get(name),
                )
                for name in self.accounts
            ],
            subscribers=[
                Subscriber(
                    subscription=subscription,
                    sink=self.receivers[subscription.sink],
                    schedule=self.schedule,
                    concurrency=self.concurrency,
                    rate_per_second=self.rates.get(subscription.sink),
                )
                for subscription in self.subscriptions
            ],
            callbacks=self.callbacks,
            feed=self.feed or Feed(recorded=self.ledger, sources={}),
            settings=Settings(rules=Rules(), polling=self.polling),
            surroundings=Surroundings(
                clock=self.clock, random=self.random, metrics=_Silent(), log=self.log, beat=lambda _: None
            ),
        )

    @asynccontextmanager
    async def relay(self, *, crash: bool = False) -> Any:
        """A relay process. `crash`: it ends as by kill -9, with whatever was in hand lost."""
        shard = self.shard()
        await shard.load()
        loops = asyncio.create_task(shard.run())
        try:
            yield shard
        finally:
            if not crash:
                await shard.drain()
            loops.cancel()
            await asyncio.wait([loops])
            if not loops.cancelled() and loops.exception() is not None:
                raise loops.exception()

    def start_jobs(self, count: int, *, account: str = "acme", **wish: Any) -> list[str]:
        """Jobs start at Zendesk; their ids."""
        kinds = list(KINDS.values())
        return [
            self.simulator.start(
                self.random.choice(kinds),
                list(range(self.random.randint(1, 100))),
                self.clock.now(),
                account=account,
                wish=Wish(**wish),
            ).id
            for _ in range(count)
        ]

    def vanish(self, account: str, job_id: str) -> None:
        """Zendesk does not know the job any more."""
        del self.simulator._accounts[account]._by_id[job_id]

    def requests(self, ids: Collection[str], account: str = "acme") -> list[TrackRequest]:
        return [TrackRequest(account=account, id=job_id) for job_id in ids]

    @staticmethod
    def when(moment: str) -> float:
        """An event's time stamp as seconds since the epoch."""
        return datetime.fromisoformat(moment).timestamp()

    def truth(self) -> dict[str, dict[str, Any]]:
        return {plan.id: truth_of(plan) for plan in self.simulator.plans()}


def data_of(event: CloudEvent) -> Any:
    return orjson.loads(event.data)
