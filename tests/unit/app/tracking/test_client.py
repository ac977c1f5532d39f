"""What `relay track` makes of the answers of a relay that is played."""

import pytest

from relay.app.tracking.client import Client, NotTrackedError, Tracked
from relay.errors import ConfigError

JOB = Tracked(account="acme", id="V3-1", created=True, href="/v1/jobs/acme/V3-1")


class Relay:
    """A caller of one that always answers so."""

    def __init__(self, status, answer):
        self.answer = status, answer
        self.got = []

    async def call(self, method, path, **options):
        self.got.append((method, path, options))
        return self.answer


async def test_jobs_are_handed_in_with_their_account():
    job = {"account": "acme", "id": "V3-1", "result": "created", "href": "/v1/jobs/acme/V3-1"}
    relay = Relay(202, {"jobs": [job]})
    assert await Client(relay).track(["V3-1"], "acme") == [JOB]
    body = {"jobs": [{"id": "V3-1", "account": "acme"}]}
    assert relay.got == [("POST", "/v1/jobs", {"expects": "jobs", "data": body})]


async def test_each_refused_job_is_named_with_its_fault():
    fault = {"index": 1, "pointer": "/jobs/1", "detail": "no good"}
    with pytest.raises(ConfigError, match=r"none of these jobs:\n  V3-b: no good$"):
        await Client(Relay(422, {"code": "invalid_field", "errors": [fault]})).track(["V3-a", "V3-b"], None)


async def test_a_job_is_looked_at_for_as_long_as_wanted():
    relay = Relay(200, {"state": "working"})
    assert await Client(relay).look(JOB, 0.5) == {"state": "working"}
    assert relay.got == [("GET", "/v1/jobs/acme/V3-1?wait=0.5", {"expects": "state", "wait_seconds": 0.5})]


async def test_a_job_that_relay_does_not_know_any_more():
    with pytest.raises(NotTrackedError, match="acme/V3-1"):
        await Client(Relay(404, {"code": "not_found", "detail": "no such job"})).look(JOB, 0.5)
