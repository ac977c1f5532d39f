"""Loops of several partitions in one process."""

from relay.ops.health import STALLED_SECONDS, Health
from relay.replica.beats import Beats


def test_the_loop_of_each_partition_is_missed_by_itself_until_the_partition_is_gone():
    clock = [0.0]
    health = Health(lambda: clock[0])
    one, other = (Beats(number, beat=health.beat, forget=health.forget) for number in (1, 2))
    one("poller")
    other("poller")
    clock[0] = STALLED_SECONDS + 1
    other("poller")
    assert health.live() == [f"poller/1 has made no progress for {STALLED_SECONDS:.0f} s"]
    one.end()
    one.end()
    assert health.live() == []
