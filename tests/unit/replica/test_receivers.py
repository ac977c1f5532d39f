"""Who receives events, by name and by delivery."""

from relay.core.callbacks import CALLBACK, sink_of
from relay.core.delivery import Delivery, Schedule, Subscription
from relay.core.job import Callback, Job
from relay.core.standing import SinkStanding
from relay.replica.receivers import Receivers
from relay.shard.ports import Subscriber

URL = "https://hooks.example/a"
ORDERS = Subscriber(
    subscription=Subscription(sink="orders"), sink=None, schedule=Schedule(), concurrency=1, kind="kafka"
)


class Callbacks:
    configured = False


def delivery(sink):
    return Delivery(account="acme", job_id="a", tracked_at=1.0, sink=sink, sequence=1, since=1.0, due_at=1.0)


def test_sinks_have_names_and_kinds_and_all_callbacks_are_one():
    receivers = Receivers(subscribers=[ORDERS], callbacks=Callbacks())
    assert (receivers.names, receivers.callbacks) == (("orders",), False)
    assert (receivers.find("orders"), receivers.find(CALLBACK)) == (ORDERS, None)
    assert receivers.standing("orders") == SinkStanding(name="orders", kind="kafka")
    assert receivers.standing(CALLBACK) == SinkStanding(name=CALLBACK, kind=CALLBACK)


def test_a_delivery_is_subscribed_by_its_sink_or_by_the_callback_that_the_job_names():
    receivers = Receivers(subscribers=[ORDERS], callbacks=Callbacks())
    job = Job(account="acme", id="a", tracked_at=1.0, callbacks=(Callback(url=URL),))
    assert receivers.subscription(delivery("orders"), job) == ORDERS.subscription
    assert receivers.subscription(delivery("gone"), job) is None
    assert receivers.subscription(delivery(sink_of(URL)), job).sink == sink_of(URL)
    assert receivers.subscription(delivery(sink_of(URL + "b")), job) is None
