"""Receivers of every mood, in virtual time: nothing is lost and order holds, whatever they answer, whatever crashes,
is paused or resumed, and whenever a callback is named.
"""

import asyncio
import math
from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sim.virtual import run
from sim.world import PlainSink, World, data_of

from relay.core.callbacks import sink_of
from relay.core.delivery import Attempt, DeliveryState, Schedule
from relay.core.events import TERMINAL_TYPES
from relay.core.record import DeliveryFilter
from relay.core.standing import SinkState
from relay.errors import Reason, Unavailable
from relay.simulator import SCENARIOS

TIMEOUT_SECONDS = 15.0
SINKS = ("all", "final")
URLS = ("https://one.example/a", "https://one.example/b", "https://two.example/a")
SCHEDULE = Schedule(retry_seconds=(0.0, 1.0, 5.0, 20.0, 60.0))
CALM_SECONDS = 9_000.0  # longer than any wait by then, of callbacks too, which have the usual schedule

GOOD = "good"
MOODS = {
    GOOD: Attempt(),
    "bad request": Attempt(reason=Reason.REFUSED, detail="400"),
    "gone": Attempt(reason=Reason.GONE, detail="410"),
    "limited": Attempt(reason=Reason.RATE_LIMITED, detail="429"),
    "wait": Attempt(reason=Reason.RATE_LIMITED, detail="429", retry_after_seconds=45.0),
    "away": Attempt(reason=Reason.UNAVAILABLE, detail="503"),
    "back soon": Attempt(reason=Reason.UNAVAILABLE, detail="503", retry_after_seconds=7.0),
    "broken": Attempt(reason=Reason.SERVER_ERROR, detail="500"),
    "hung": Attempt(reason=Reason.TIMEOUT),
    "answer lost": Attempt(reason=Reason.RESET),
}
TAKEN = {GOOD, "hung", "answer lost"}


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One request. `began`, `ended`: monotonic; never ended: -inf. `life`: of the relay that sent it."""

    job_id: str
    sequence: int
    life: int
    began: float
    ended: float
    mood: str
    event: object


class Moody(PlainSink):
    """Answers as it feels. `endpoint`: what it has in common with others of the same origin."""

    def __init__(self, world, moods):
        self._world = world
        self.moods = moods
        self.requests = []
        self.busy = set()

    async def send(self, event):
        world, began, life = self._world, self._world.clock.monotonic(), self._world.lives
        mood = world.random.choice(self.moods)
        assert (event.subject, life) not in self.busy, "two events of one job at once"
        self.busy.add((event.subject, life))
        ended = float("-inf")
        try:
            await asyncio.sleep(TIMEOUT_SECONDS if mood == "hung" else 0.02)
            ended = world.clock.monotonic()
        finally:
            self.busy.discard((event.subject, life))
            sequence = int(event.sequence)
            self.requests.append(
                Sent(
                    job_id=event.subject,
                    sequence=sequence,
                    life=life,
                    began=began,
                    ended=ended,
                    mood=mood,
                    event=event,
                )
            )
        return MOODS[mood]

    def taken(self):
        """Events that it has, by job, in the order in which they came."""
        by_job = {}
        for sent in sorted(self.requests, key=lambda sent: sent.began):
            if sent.mood in TAKEN:
                by_job.setdefault(sent.job_id, []).append(sent.event)
        return by_job


class MoodyCallbacks:
    configured = True

    def __init__(self, receivers):
        self.receivers = receivers

    def sink_for(self, url):
        return self.receivers[url]


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A while with these moods. `pause`, `resume`: what a person asks for at its beginning."""

    seconds: float
    moods: tuple
    jobs: int = 0
    late_callback: str | None = None
    pause: str | None = None
    resume: str | None = None
    crash: bool = False


NAMES = st.none() | st.sampled_from([*SINKS, "callback"])
PHASES = st.builds(
    Phase,
    seconds=st.sampled_from([0.5, 5.0, 40.0, 200.0]),
    moods=st.lists(st.sampled_from(sorted(MOODS)), min_size=1, max_size=4).map(tuple),
    jobs=st.integers(0, 3),
    late_callback=st.none() | st.sampled_from(URLS),
    pause=NAMES,
    resume=NAMES,
    crash=st.booleans(),
)


@dataclass
class Story:
    world: World
    receivers: dict
    callbacks: dict = field(default_factory=dict)  # (job, url) → metadata
    paused: list = field(default_factory=list)  # (name, when)
    resumed: list = field(default_factory=list)


async def play(phases):
    world = World(scenario=SCENARIOS["calm"])
    world.schedule = SCHEDULE
    receivers = {name: Moody(world, (GOOD,)) for name in (*SINKS, *URLS)}
    world.receivers = {name: receivers[name] for name in SINKS}
    world.callbacks = MoodyCallbacks({url: receivers[url] for url in URLS})
    story = Story(world, receivers)
    ids = []
    for phase in phases:
        async with world.relay(crash=phase.crash) as shard:
            for receiver in receivers.values():
                receiver.moods = phase.moods
            await ask(story, shard, phase)
            ids += await begin_jobs(story, shard, phase.jobs)
            if ids and phase.late_callback is not None:
                await name_callback(story, shard, ids[len(ids) // 2], phase.late_callback)
            await asyncio.sleep(phase.seconds)
    await calm_down(story)
    return story, ids


async def ask(story, shard, phase):
    if phase.pause is not None:
        await shard.sinks.pause(phase.pause)
        story.paused.append((phase.pause, story.world.clock.monotonic()))
    if phase.resume is not None:
        story.resumed.append((phase.resume, story.world.clock.monotonic()))
        await shard.sinks.resume(phase.resume)


async def begin_jobs(story, shard, count):
    ids = story.world.start_jobs(count, work_seconds=30.0, fate="succeeded")
    for number, job_id in enumerate(ids):
        await name_callback(story, shard, job_id, URLS[number % len(URLS)])
    return ids


async def name_callback(story, shard, job_id, url):
    (request,) = story.world.requests([job_id])
    metadata = b'{"for":"%b"}' % url.encode()
    while True:
        try:
            await shard.track([replace(request, metadata=metadata, callback_url=url)])
        except Unavailable:
            await asyncio.sleep(0.5)
        else:
            story.callbacks[job_id, url] = {"for": url}
            return


async def calm_down(story):
    """Everybody is well again, and a person puts right what needs one."""
    world = story.world
    for receiver in story.receivers.values():
        receiver.moods = (GOOD,)
    async with world.relay() as shard:
        for name in (*SINKS, "callback"):
            await ask(story, shard, Phase(seconds=0.0, moods=(), resume=name))
        await asyncio.sleep(CALM_SECONDS)
        for name in (*SINKS, "callback"):
            await shard.sinks.recover(name, 0.0, world.clock.now() + 1.0)
        await asyncio.sleep(60.0)
        for state in (DeliveryState.PENDING, DeliveryState.DEAD):
            assert await shard.sinks.deliveries(DeliveryFilter(state=state), None, 10) == []
        assert {one.state for one in await shard.sinks.standing()} == {SinkState.ACTIVE}


def ends(events):
    return [event for event in events if event.type in TERMINAL_TYPES]


def assert_nothing_is_lost(story, ids):
    for name in SINKS:
        taken = story.receivers[name].taken()
        for job_id in ids:
            assert len({event.id for event in ends(taken.get(job_id, ()))}) == 1, (name, job_id)
    for (job_id, url), metadata in story.callbacks.items():
        told = story.receivers[url].taken()[job_id]
        assert len({event.id for event in told}) == 1
        assert ends(told) == told
        assert all(data_of(event)["metadata"] == metadata for event in told)


def assert_in_order(story):
    """A repeat may follow its original, in the same bytes; nothing older is sent after something newer."""
    for receiver in story.receivers.values():
        sent = sorted(receiver.requests, key=lambda sent: (sent.job_id, sent.began))
        for before, after in pairwise(sent):
            if before.job_id == after.job_id:
                assert before.sequence <= after.sequence, (before, after)
                assert before.event.id != after.event.id or before.event == after.event


def assert_who_stands_still_is_left_alone(story):
    """From a pause, and from a 410 as long as the same relay lives, until somebody resumes it."""
    for name, receiver in story.receivers.items():
        label = "callback" if "://" in name else name
        stops = [(at, None) for paused, at in story.paused if paused == label]
        if label != "callback":
            stops += [(sent.ended, sent.life) for sent in receiver.requests if sent.mood == "gone" and sent.ended > 0]
        for at, life in stops:
            until = resumed_after(story, label, at)
            early = [sent for sent in receiver.requests if at < sent.began < until and life in {None, sent.life}]
            assert not early, (name, at, early)


def assert_waits_are_kept(story):
    """Whoever asks for time gets it from the whole origin, as long as the same relay lives."""
    for name, receiver in story.receivers.items():
        label = "callback" if "://" in name else name
        others = [one for url, one in story.receivers.items() if origin(url) == origin(name)]
        begun = [sent for one in others for sent in one.requests]
        for sent in receiver.requests:
            wait = MOODS[sent.mood].retry_after_seconds
            if wait is not None and sent.ended > 0:
                until = min(sent.ended + wait, resumed_after(story, label, sent.ended))
                early = [each for each in begun if each.life == sent.life and sent.ended < each.began < until]
                assert not early, (name, sent, early)


def resumed_after(story, label, moment):
    return min((at for name, at in story.resumed if name == label and at >= moment), default=math.inf)


def origin(name):
    return sink_of(name).partition("#")[0] if "://" in name else name


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(phases=st.lists(PHASES, min_size=1, max_size=6))
def test_nothing_is_lost_and_order_holds_for_any_mix_of_answers_crashes_pauses_and_late_callbacks(phases):
    story, ids = run(play(phases))
    assert_nothing_is_lost(story, ids)
    assert_in_order(story)
    assert_who_stands_still_is_left_alone(story)
    assert_waits_are_kept(story)
