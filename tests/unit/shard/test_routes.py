import pytest
from sim.owing import Told, ToldCallbacks, ended_job, rows_of

from relay.core.delivery import Attempt, Schedule, Subscription
from relay.core.endpoint import Endpoint
from relay.errors import Reason
from relay.shard.ports import Subscriber
from relay.shard.routes import CALLBACK_CONCURRENCY, CallbackRoute, SinkRoute

NOW = 1_750_000_000.0
URL, OTHER_URL = "https://hooks.example/a?token=x", "https://hooks.example/b"
ORIGIN = "callback:https://hooks.example:443"
ORDERS = Subscription(sink="orders")


def callback_to(*urls):
    job = ended_job(0, NOW, callbacks=urls)
    return job, rows_of(job, [], NOW)


def test_a_configured_sink_gets_all_of_its_deliveries_with_its_own_limits():
    sink, schedule = Told(), Schedule(retry_seconds=(0.0,))
    subscriber = Subscriber(subscription=ORDERS, sink=sink, schedule=schedule, concurrency=3, rate_per_second=2.0)
    route = SinkRoute(subscriber)
    job = ended_job(0, NOW)
    (row,) = rows_of(job, [ORDERS], NOW)
    recipient = route.recipient(row, job)
    assert (recipient.sink, recipient.subscription, recipient.callback) == (sink, ORDERS, None)
    assert (route.endpoint, route.label, route.schedule, route.lasting) == ("orders", "orders", schedule, True)
    endpoint = route.open()
    endpoint.begin(0.0)
    assert endpoint.next_at(0.0) == 0.5


def test_each_callback_has_its_own_sink_and_what_was_said_when_it_was_named():
    sinks = {URL: Told(), OTHER_URL: Told()}
    route = CallbackRoute(ORIGIN, ToldCallbacks(sinks))
    job, rows = callback_to(URL, OTHER_URL)
    for url, row in zip(sinks, rows, strict=True):
        recipient = route.recipient(row, job)
        assert recipient.sink is sinks[url]
        assert recipient.callback.metadata == b'{"for":"%b"}' % url.encode()
        assert recipient.subscription.sink == row.sink
        assert not recipient.subscription.resumable
    assert (route.label, route.lasting, route.schedule) == ("callback", False, Schedule())


def test_the_urls_of_an_origin_share_its_limits_and_not_what_one_of_them_is_refused():
    endpoint = CallbackRoute(ORIGIN, None).open()
    assert endpoint.room(0.0) == CALLBACK_CONCURRENCY
    endpoint.after(endpoint.begin(0.0), Attempt(reason=Reason.GONE), 0.0)
    assert isinstance(endpoint, Endpoint)
    assert endpoint.room(0.0) == CALLBACK_CONCURRENCY


@pytest.mark.parametrize("sinks", [None, ToldCallbacks({OTHER_URL: Told()})])
def test_what_the_configuration_does_not_allow_any_more_has_no_sink(sinks):
    job, (row,) = callback_to(URL)
    recipient = CallbackRoute(ORIGIN, sinks).recipient(row, job)
    assert recipient.sink is None
    assert (recipient.subscription.sink, recipient.subscription.resumable) == (row.sink, False)


def test_a_callback_that_the_job_does_not_name_has_no_sink():
    _, (row,) = callback_to(URL)
    assert CallbackRoute(ORIGIN, ToldCallbacks({URL: Told()})).recipient(row, ended_job(0, NOW)).sink is None
