from msgspec.structs import replace
from sim.owing import ended_job, rows_of

from relay.core.delivery import Subscription
from relay.shard.claims import Claims

NOW = 1_750_000_000.0
SINKS = [Subscription(sink="orders"), Subscription(sink="bus")]


def owed(number=0, callbacks=()):
    job = ended_job(number, NOW, callbacks=callbacks)
    return job, rows_of(job, SINKS, NOW)


def test_nobody_else_gets_what_is_claimed_until_it_is_released():
    claims = Claims()
    job, (orders, bus) = owed()
    (first,) = claims.take([(orders, job)])
    assert [one.delivery.sink for one in claims.take([(orders, job), (bus, job)])] == ["bus"]
    claims.release(first)
    claims.release(first)
    assert (claims.count("orders"), claims.count("bus")) == (0, 1)
    assert len(claims.take([(orders, job)])) == 1


def test_no_more_is_taken_than_wanted():
    """Or who asked would take the rest for nothing."""
    claims = Claims()
    rows = [(owed(number)[1][0], owed(number)[0]) for number in range(5)]
    assert [one.job.id for one in claims.take(rows, 2)] == ["V3-00000", "V3-00001"]
    assert [one.job.id for one in claims.take(rows, 2)] == ["V3-00002", "V3-00003"]
    assert claims.count("orders") == 4


def test_another_life_of_the_job_is_another_matter():
    claims = Claims()
    job, (orders, _) = owed()
    later = replace(job, tracked_at=job.tracked_at + 1)
    assert len(claims.take([(orders, job)])) == 1
    assert len(claims.take([(replace(orders, tracked_at=later.tracked_at), later)])) == 1


def test_callbacks_are_counted_by_their_origin():
    claims = Claims()
    job, rows = owed(callbacks=["https://a.example/1", "https://a.example/2", "https://b.example/1"])
    claims.take([(row, job) for row in rows])
    assert claims.count("callback:https://a.example:443") == 2


def test_what_is_in_hand_is_as_it_is_committed():
    claims = Claims()
    job, (orders, _) = owed()
    other_job, (other, _) = owed(1)
    (mine,) = claims.take([(orders, job)])
    newer, newer_job = replace(orders, attempts=3), replace(job, metadata=b'{"a":1}')
    claims.update([newer_job, other_job], [newer, other])
    assert (mine.delivery, mine.job) == (newer, newer_job)
    assert claims.delivery(orders.key) == newer
    assert claims.delivery(other.key) is None


def test_an_incarnation_is_the_beginning_of_the_keys_of_its_deliveries():
    job, rows = owed()
    assert {row.key[:3] for row in rows} == {tuple(job.incarnation)}
