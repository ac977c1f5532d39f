import pytest

from relay.core.events import render, structured
from relay.core.job import TrackRequest
from relay.core.observe import Rules, observe, record, track
from relay.core.place import Placed
from relay.core.sighting import sight
from relay.intake import rendering
from relay.intake.opaque import write_place
from relay.intake.rendering import Rendered


def seen(position):
    job = track(TrackRequest(account="acme", id=f"V3-{position}"), 1_700_000_000.0)
    return record(observe(job, sight({"id": job.id, "status": "completed"}), 1_700_000_001.0, Rules()), position)


def placed(job, *elsewhere):
    return Placed(job, job.events[0], (job.events[0].position, *elsewhere))


def test_a_reader_gets_the_bytes_that_a_webhook_gets():
    job = seen(1)
    rendered = Rendered(lambda account: f"https://{account}.test")
    expected = structured(render(job, job.events[0], "https://acme.test"))
    assert rendered.body(job, job.events[0]) == expected
    assert rendered.live(placed(job)).endswith(b"\ndata: %b\n\n" % expected)


def test_for_all_who_read_at_the_same_time_it_is_rendered_once():
    job = seen(1)
    rendered = Rendered(str)
    assert rendered.live(placed(job)) is rendered.live(placed(job))


def test_who_has_read_another_part_of_the_other_partitions_is_told_its_own_place():
    job, rendered = seen(1), Rendered(str)
    here, there = rendered.live(placed(job, 7)), rendered.live(placed(job, 8))
    assert here.partition(b"\n")[2] == there.partition(b"\n")[2]
    assert (here.split()[1], there.split()[1]) == (write_place((1, 7)).encode(), write_place((1, 8)).encode())


def test_a_source_that_changes_is_told_at_once():
    sources = {"acme": "https://acme.test"}
    rendered, job = Rendered(sources.__getitem__), seen(1)
    rendered.live(placed(job))
    sources["acme"] = "https://elsewhere.test"
    assert b'"source":"https://elsewhere.test"' in rendered.live(placed(job))


@pytest.mark.parametrize(("bound", "value"), [("KEPT_MAX", 5), ("KEPT_BYTES_MAX", 3_000)])
def test_what_is_kept_is_bounded(monkeypatch, bound, value):
    monkeypatch.setattr(rendering, bound, value)
    rendered = Rendered(str)
    for position in range(50):
        job = seen(position)
        rendered.live(placed(job))
    assert 1 < len(rendered._kept) <= 5
    assert rendered._size == sum(map(len, rendered._kept.values()))
