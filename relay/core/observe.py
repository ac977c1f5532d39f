"""The only place where a job changes: (job, what was seen, now) → job. A new event is there when `sequence` has grown.

The rules stand in `STATES` (job.py): entering a state that ends a job records that state's event, exactly once, since a
job that has ended never changes state again.
"""

from dataclasses import dataclass
from itertools import count

import orjson
from msgspec.structs import replace

from relay.core.callbacks import CALLBACKS_MAX
from relay.core.job import (
    DELETED,
    ENDED,
    EXPIRED,
    LOST,
    PENDING,
    Callback,
    Event,
    EventType,
    Job,
    Outcome,
    TrackRequest,
    state_of,
    trim,
)
from relay.core.results import Bound, fit
from relay.core.sighting import STARTED_WORD, Sighting
from relay.errors import Reason

METADATA_KEYS_MAX = 50
METADATA_BYTES_MAX = 16_384
NOT_STARTED = frozenset({PENDING, "queued"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """`progress_interval_seconds`: between progress events of one job. `bound`: what is kept of Zendesk's object."""

    progress_interval_seconds: float = 1.0
    bound: Bound = Bound()


def track(request: TrackRequest, now: float) -> Job:
    """A job as it is first recorded. `now` becomes its incarnation, in whole milliseconds."""
    return Job(
        account=request.account,
        id=request.id,
        tracked_at=round(now, 3),
        metadata=request.metadata,
        traceparent=request.traceparent,
        callbacks=() if request.callback_url is None else (_callback(request.callback_url, request),),
    )


def track_again(job: Job, request: TrackRequest, now: float) -> Job | None:
    """The same id once more: tracked afresh if relay gave it up or was told to forget it, else what is new is added.

    None: the request names one callback more than a job may have.
    """
    if job.state in {LOST, EXPIRED, DELETED}:
        return track(request, max(now, job.tracked_at + 0.001))
    return _add_callback(_merge_metadata(job, request.metadata), request)


def _merge_metadata(job: Job, metadata: bytes) -> Job:
    """Keys that are there stay; what would go over the bounds of metadata is left out as a whole."""
    merged = orjson.loads(metadata) | orjson.loads(job.metadata)
    encoded = trim(orjson.dumps(merged))
    fits = len(merged) <= METADATA_KEYS_MAX and len(encoded) <= METADATA_BYTES_MAX
    if not fits or merged == orjson.loads(job.metadata):
        return job
    return replace(job, metadata=encoded)


def _add_callback(job: Job, request: TrackRequest) -> Job | None:
    """A url that is there stays as it is, with what the submission said that named it first."""
    url = request.callback_url
    if url is None or any(callback.url == url for callback in job.callbacks):
        return job
    if len(job.callbacks) >= CALLBACKS_MAX:
        return None
    return replace(job, callbacks=(*job.callbacks, _callback(url, request)))


def _callback(url: str, request: TrackRequest) -> Callback:
    return Callback(url=url, metadata=request.metadata, traceparent=request.traceparent)


def observe(job: Job, sighting: Sighting, now: float, rules: Rules) -> Job:
    """The job after Zendesk's object was seen. The same value where nothing is to be recorded."""
    if job.terminal:
        return job
    if sighting.status in ENDED:
        return _end_as_seen(job, sighting, now, rules)
    kept, truncated = fit(sighting.encoded, job.metadata, rules.bound)
    event = _event_while_running(job, sighting.status, kept, now)
    if event is not None and event.type is EventType.PROGRESSED and not _is_time(job, now, rules):
        return job  # looked at again by the next poll, which still finds it changed
    if event is None and kept == job.job_status:
        return job
    seen = replace(
        job,
        state=sighting.status,
        job_status=kept,
        results_truncated=truncated,
        seen_at=now if job.seen_at is None else job.seen_at,
        queued_at=now if sighting.status == "queued" else job.queued_at,
        items=sighting.items,
    )
    return seen if event is None else _with(seen, event)


def expire(job: Job, now: float) -> Job:
    """A day went by, and Zendesk keeps a job's data no longer than that."""
    return _end_unseen(job, EXPIRED, Reason.AGE_LIMIT, now)


def give_up(job: Job, now: float) -> Job:
    """Zendesk does not know the id, confirmed: lost if it was never seen, expired if it was."""
    if job.seen_at is None:
        return _end_unseen(job, LOST, Reason.NEVER_FOUND, now)
    return _end_unseen(job, EXPIRED, Reason.NO_LONGER_KNOWN, now)


def record(job: Job, position: int) -> Job:
    """The job with its new events, which are to be recorded, at this place among all events and those that follow."""
    places = count(position)
    return replace(
        job, events=tuple([event if event.position else replace(event, position=next(places)) for event in job.events])
    )


def delete(job: Job) -> Job:
    """Somebody asked to stop: no event, and invisible from now on."""
    return replace(job, state=DELETED)


def _end_as_seen(job: Job, sighting: Sighting, now: float, rules: Rules) -> Job:
    kept, truncated = fit(sighting.encoded, job.metadata, rules.bound)
    last = _final(job, sighting.status, state_of(sighting.status).reason, now)
    return replace(
        job,
        state=sighting.status,
        sequence=last.sequence,
        job_status=kept,
        results_truncated=truncated,
        outcome=sighting.outcome,
        items=sighting.items,
        seen_at=now if job.seen_at is None else job.seen_at,
        detected_at=now,
        completed_at=sighting.completed_at,
        events=(*job.events, last),
    )


def _end_unseen(job: Job, state: str, reason: Reason, now: float) -> Job:
    if job.terminal:
        return job
    ended = replace(job, state=state, outcome=Outcome.UNKNOWN, detected_at=now)
    return _with(ended, _final(job, state, reason, now))


def _final(job: Job, state: str, reason: Reason | None, now: float) -> Event:
    kind = state_of(state).ends_with
    assert kind is not None  # noqa: S101 - the table's terminal states that come here all record an event
    return _event(job, kind, now, reason=reason)


def _event_while_running(job: Job, status: str, kept: bytes, now: float) -> Event | None:
    if not job.events and status in NOT_STARTED:
        return None
    if status == STARTED_WORD and all(event.type is not EventType.STARTED for event in job.events):
        return _event(job, EventType.STARTED, now, job_status=kept)
    if not job.events:
        return _event(job, EventType.PROGRESSED, now, job_status=kept)  # a word that nobody knows
    # As kept, since a message that had to be cut is no news every time.
    before, after = orjson.loads(job.events[-1].job_status or b"{}"), orjson.loads(kept)
    if all(before.get(name) == after.get(name) for name in ("status", "progress", "message")):
        return None
    return _event(job, EventType.PROGRESSED, now, job_status=kept)


def _event(
    job: Job, kind: EventType, now: float, *, job_status: bytes | None = None, reason: Reason | None = None
) -> Event:
    return Event(
        type=kind,
        sequence=job.sequence + 1,
        detected_at=now,
        previous_status=None if job.state == PENDING else job.state,
        metadata=job.metadata,
        job_status=job_status,
        reason=reason,
    )


def _is_time(job: Job, now: float, rules: Rules) -> bool:
    # A clock that went back must not silence a job for hours.
    return not job.events or not 0 <= now - job.events[-1].detected_at < rules.progress_interval_seconds


def _with(job: Job, event: Event) -> Job:
    kept = job.events
    if event.type is EventType.PROGRESSED:
        kept = tuple(other for other in kept if other.type is not EventType.PROGRESSED)
    return replace(job, sequence=event.sequence, events=(*kept, event))
