import pytest

from relay.core.callbacks import find, is_callback, label_of, sink_of, subscription_of
from relay.core.delivery import Delivery, wants
from relay.core.job import Callback, Event, EventType, Job

URL = "https://hooks.example.com/done?token=secret"


def delivery_to(url):
    return Delivery(account="acme", job_id="V3-1", tracked_at=1.0, sink=sink_of(url), sequence=1, since=1.0, due_at=1.0)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        (URL, "https://hooks.example.com:443"),
        ("http://hooks.example.com/", "http://hooks.example.com:80"),
        ("http://hooks.example.com:8080/a", "http://hooks.example.com:8080"),
        ("https://HOOKS.example.com/", "https://hooks.example.com:443"),
        ("https://hooks.example.com.", "https://hooks.example.com:443"),
        ("https://[2001:db8::1]/", "https://[2001:db8::1]:443"),
    ],
)
def test_all_callbacks_to_one_origin_share_one_endpoint(url, origin):
    """However the origin is spelt; a slow receiver is slow under all of its urls."""
    assert delivery_to(url).endpoint == f"callback:{origin}"


def test_every_url_is_a_sink_of_its_own_and_shows_nothing_but_its_origin():
    sinks = {sink_of(URL), sink_of(URL + "2"), sink_of("https://hooks.example.com/")}
    assert len(sinks) == 3
    assert not any("secret" in sink or "done" in sink for sink in sinks)


def test_the_callback_of_a_sink_is_found_among_those_of_its_job():
    callbacks = tuple(Callback(url=f"https://a.example/{number}") for number in range(3))
    job = Job(account="acme", id="V3-1", tracked_at=1.0, callbacks=callbacks)
    assert find(job, sink_of("https://a.example/1")) is callbacks[1]
    assert find(job, sink_of("https://a.example/7")) is None
    assert find(job, "orders") is None


@pytest.mark.parametrize("kind", EventType)
def test_a_callback_hears_how_the_job_ended_and_nothing_else(kind):
    job = Job(account="acme", id="V3-1", tracked_at=1.0)
    event = Event(type=kind, sequence=1, detected_at=1.0, previous_status=None, metadata=b"{}")
    running = kind in {EventType.STARTED, EventType.PROGRESSED}
    assert wants(subscription_of(Callback(url=URL)), job, event) is not running


def test_metrics_and_people_see_one_name_for_all_callbacks():
    sink = sink_of(URL)
    assert is_callback(sink)
    assert label_of(sink) == label_of(sink.partition("#")[0]) == "callback"
    assert not is_callback("callback")
    assert label_of("orders") == "orders"
