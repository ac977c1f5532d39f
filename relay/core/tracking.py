"""What requests to track come to, one after another, given what is known of their jobs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from relay.core.job import Job, JobKey, TrackRequest
from relay.core.observe import track, track_again


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """`created`: for each request that can be taken, whether it makes a job, or a new incarnation of one.

    `changed`: the jobs as they are then, where that is not as they were. `full`: the indexes of the requests that name
    a callback too many.
    """

    created: Sequence[bool]
    changed: Mapping[JobKey, Job]
    full: Sequence[int]


def track_all(requests: Sequence[TrackRequest], newest: Callable[[JobKey], Job | None], now: float) -> Tracked:
    """`newest`: the newest incarnation, however it stands; None: nobody knows the job."""
    created: list[bool] = []
    changed: dict[JobKey, Job] = {}
    full: list[int] = []
    for index, request in enumerate(requests):
        key = request.key
        before = changed.get(key) or newest(key)
        after = track(request, now) if before is None else track_again(before, request, now)
        if after is None:
            full.append(index)
            continue
        created.append(before is None or after.tracked_at != before.tracked_at)
        if after is not before:
            changed[key] = after
    return Tracked(created=created, changed=changed, full=full)
