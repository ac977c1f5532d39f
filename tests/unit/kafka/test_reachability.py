from relay.errors import Reason
from relay.kafka.failures import KafkaFailure
from relay.kafka.reachability import Reachability


class Lines(list):
    def info(self, event, /, **fields):
        self.append((event, fields))

    warning = error = info


def test_it_is_told_once_that_it_is_lost_and_once_that_it_is_found():
    lines = Lines()
    reachability = Reachability(client="intake", log=lines)
    reachability.found()
    for _ in range(3):
        reachability.lost(KafkaFailure(Reason.CONNECT, "Connection refused"))
    assert reachability.failure.reason is Reason.CONNECT
    for _ in range(3):
        reachability.found()
    assert reachability.failure is None
    assert [event for event, _ in lines] == ["kafka.unavailable", "kafka.available"]
    assert (lines[0][1]["client"], lines[0][1]["reason"], lines[0][1]["error"]) == (
        "intake",
        "connect",
        "Connection refused",
    )
    assert "bootstrap_servers" in lines[0][1]["advice"]
