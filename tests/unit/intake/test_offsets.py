from uuid import UUID

from relay.intake.offsets import Offsets
from relay.kafka.topics import Topic

OLD, NEW = UUID(int=1), UUID(int=2)


def topic(partitions=2, topic_id=OLD):
    return Topic(name="jobs", partitions=partitions, id=topic_id)


def offsets(**marks):
    """As the ledger has them, among others."""
    others = {"account/acme": b"x", "intake/jobs2/0": b"99", "probe": b""}
    return Offsets("jobs", others | {f"intake/jobs/{name}": value for name, value in marks.items()})


def recorded(marks, own):
    """What the ledger has after these marks."""
    after = {name: value for name, value in {**own, **marks}.items() if value is not None}
    return Offsets("jobs", after)


def test_only_this_topics_marks_count():
    assert offsets(**{"0": b"7", "1": b"0"}).saved == {0: 7, 1: 0}
    assert offsets().saved == {}


def test_what_has_moved_is_to_be_recorded_and_nothing_else():
    found = offsets(**{"0": b"7", "1": b"3"})
    assert found.moved({0: 9, 1: 3, 2: 0}) == {"intake/jobs/0": b"9", "intake/jobs/2": b"0"}


def test_what_is_recorded_is_read_again():
    marks = {**offsets().identify(topic()), **offsets().moved({0: 12, 1: 0})}
    again = recorded(marks, {})
    assert again.saved == {0: 12, 1: 0}
    assert again.identify(topic()) == {}


def test_the_first_look_at_a_topic_records_its_id_and_keeps_the_offsets():
    found = offsets(**{"0": b"7"})
    assert not found.replaced(topic())
    assert found.identify(topic()) == {"intake/jobs/id": OLD.bytes}
    found.identified(topic())
    assert found.saved == {0: 7}


def test_a_topic_made_anew_starts_from_nothing():
    found = offsets(**{"id": OLD.bytes, "0": b"7", "1": b"5"})
    assert found.replaced(topic(topic_id=NEW))
    marks = found.identify(topic(topic_id=NEW))
    assert marks == {"intake/jobs/id": NEW.bytes, "intake/jobs/0": None, "intake/jobs/1": None}
    found.identified(topic(topic_id=NEW))
    assert found.saved == {}
    assert not found.replaced(topic(topic_id=NEW))


def test_a_broker_that_tells_no_id_changes_nothing():
    found = offsets(**{"id": OLD.bytes, "0": b"7"})
    assert not found.replaced(topic(topic_id=None))
    assert found.identify(topic(topic_id=None)) == {}


def test_offsets_of_partitions_that_are_gone_go():
    found = offsets(**{"id": OLD.bytes, "0": b"7", "5": b"1"})
    assert found.identify(topic(partitions=2)) == {"intake/jobs/5": None}
