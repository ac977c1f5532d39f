from relay.core.delivery import Attempt
from relay.core.events import render, trial
from relay.core.job import Job, TrackRequest
from relay.core.observe import Rules, give_up, observe, track
from relay.core.sighting import sight
from relay.sinks.log import LogSink

SOURCE = "https://acme.zendesk.com/api/v2/job_statuses"


def ended(status=None) -> Job:
    job = track(TrackRequest(account="acme", id="V3-1"), 1_000.0)
    return give_up(job, 1_300.0) if status is None else observe(job, sight(status), 1_001.0, Rules())


class Lines(list):
    def __call__(self, event, /, **fields):
        self.append((event, fields))


async def published(job):
    lines = Lines()
    sink = LogSink("console", lines)
    assert await sink.send(render(job, job.events[-1], SOURCE)) == Attempt()
    await sink.close()
    return lines


async def test_an_event_is_one_line_with_stable_fields():
    status = {"status": "completed", "total": 1, "results": [{"index": 0, "id": 7}], "message": None}
    [(name, fields)] = await published(ended(status))
    event_id = fields.pop("event_id")
    assert event_id.startswith("evt_")
    assert name == "event.published"
    assert fields == {
        "sink": "console",
        "type": "zendesk.job.completed",
        "account": "acme",
        "job_id": "V3-1",
        "sequence": 1,
        "state": "completed",
        "outcome": "succeeded",
        "items": {"total": 1, "succeeded": 1, "failed": 0},
        "reason": None,
    }


async def test_a_job_that_was_never_seen_has_no_state():
    [(_, fields)] = await published(ended())
    assert (fields["state"], fields["outcome"], fields["reason"]) == (None, "unknown", "never_found")


async def test_a_test_event_is_a_line_too():
    lines = Lines()
    assert await LogSink("console", lines).send(trial("console", 1, 1_000.0)) == Attempt()
    [(_, fields)] = lines
    assert (fields["type"], fields["sequence"], fields["account"], fields["items"]) == ("relay.test", 1, None, None)
