"""What is good in a ledger's topic; how it is asked and made is tested on a real broker."""

import pytest

from relay.kafka.topics import Topic
from relay.ledger.kafka.topics import RULES, faults

TOPIC = Topic(name="relay.ledger", partitions=12)
MADE = {setting: rule.value for setting, rule in RULES.items()}


def test_a_topic_as_relay_makes_it_has_no_faults():
    assert list(faults(TOPIC, MADE, 12)) == []


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("segment.ms", "1"),
        ("min.cleanable.dirty.ratio", "0.0"),
        ("max.compaction.lag.ms", "1"),
        ("delete.retention.ms", "9223372036854775807"),
        ("max.message.bytes", "10485760"),
    ],
)
def test_a_stricter_setting_is_no_fault(setting, value):
    assert list(faults(TOPIC, MADE | {setting: value}, 12)) == []


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("cleanup.policy", "compact,delete", "cleanup.policy is compact,delete, and must be exactly compact"),
        ("segment.ms", "600001", "segment.ms is 600001, and must be at most 600000"),
        ("delete.retention.ms", "86399999", "delete.retention.ms is 86399999, and must be at least 86400000"),
    ],
)
def test_a_fault_names_setting_value_and_what_it_must_be(setting, value, says):
    assert list(faults(TOPIC, MADE | {setting: value}, 12)) == [says]


def test_the_number_of_partitions_must_be_the_one_that_is_configured():
    [fault] = faults(TOPIC, MADE, 6)
    assert fault.startswith("it has 12 partitions, and must have 6: an account belongs to one partition for good")
