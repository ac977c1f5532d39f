from relay.core.bisection import Part
from relay.core.job import Job
from relay.core.poll import Poll
from relay.core.watch import Apart, Watch
from relay.core.zendesk import Endpoint


def watch_of(number):
    return Watch(Job(account="acme", id=f"V3-{number}", tracked_at=1.0))


def test_the_request_names_the_ids():
    poll = Poll(endpoint=Endpoint.SHOW_MANY, watches=(watch_of(1), watch_of(2)))
    assert poll.request.path == "/api/v2/job_statuses/show_many.json?ids=V3-1,V3-2"


def test_what_comes_of_a_job_that_is_asked_about_for_itself_concerns_nobody_else():
    watch, other = watch_of(1), watch_of(2)
    assert not Poll(endpoint=Endpoint.SHOW_MANY, watches=(watch,)).alone, "the only job that there is"
    assert Poll(endpoint=Endpoint.SHOW, watches=(watch,), confirms=True).alone
    assert not Poll(endpoint=Endpoint.SHOW, watches=(watch,), part=Part((watch, other))).alone, "a probe"
    watch.apart = Apart(0.0)
    assert Poll(endpoint=Endpoint.SHOW_MANY, watches=(watch,)).alone
