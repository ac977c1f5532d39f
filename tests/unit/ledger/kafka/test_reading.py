"""What a newer relay wrote is kept where it can be, and refused by name where it cannot."""

import orjson
import pytest
from msgspec.structs import replace

from relay.core.delivery import Delivery
from relay.core.job import Job
from relay.core.job_row import decode
from relay.core.record import Batch
from relay.errors import Undecipherable
from relay.ledger.kafka.reading import from_records
from relay.ledger.kafka.records import Changes, Record, changes_of, to_records
from relay.ledger.rows import decode_delivery

JOB = Job(account="acme", id="1", tracked_at=100.0, state="working")
DELIVERY = Delivery(account="acme", job_id="1", tracked_at=100.0, sink="s", sequence=1, since=1.0, due_at=1.0)


def jobs_of(read):
    return [decode(job.value) for job in read.jobs]


@pytest.mark.parametrize("tail", [b',"later":{"a":[1,null]}', b',"later":"\xc3\xa9","more":1.50'])
def test_fields_of_a_job_that_are_unknown_survive_a_rewrite(tail):
    [record] = to_records(changes_of(Batch(jobs=[JOB])), {})
    later = Record(record.key, record.value[:-1] + tail + b"}")
    read = from_records([later])
    assert jobs_of(read) == [JOB]
    changed = replace(JOB, state="completed")
    [again] = to_records(changes_of(Batch(jobs=[changed])), read.unknown)
    assert again.value.endswith(tail + b"}")
    assert jobs_of(from_records([again])) == [changed]
    assert from_records([again, record]).unknown == {}


def test_fields_of_a_delivery_that_are_unknown_survive_a_rewrite():
    [record] = to_records(changes_of(Batch(deliveries=[DELIVERY])), {})
    read = from_records([Record(record.key, record.value[:-1] + b',"later",[2]]')])
    assert [decode_delivery(columns[-1]) for columns in read.deliveries] == [DELIVERY]
    [again] = to_records(changes_of(Batch(deliveries=[replace(DELIVERY, attempts=3)])), read.unknown)
    assert orjson.loads(again.value)[12:] == ["later", [2]]


def test_what_is_unknown_goes_with_its_row():
    [record] = to_records(changes_of(Batch(jobs=[JOB])), {})
    unknown = {record.key: b',"later":1'}
    assert to_records(Changes(gone_jobs={JOB.incarnation}), unknown) == [Record(record.key, None)]


@pytest.mark.parametrize(
    ("key", "row", "says"),
    [
        (b'["job","acme","1",100.0]', b'{"v":99,"account":"acme","later":1}', "a job row of version 99"),
        (
            b'["job","acme","1",100.0]',
            b'{"v":99,"account":"acme","id":"1","tracked_at":100.0,"later":1}',
            "a job row of version 99, newer than",
        ),
        (b'["delivery","acme","1",100.0,"s"]', b"[99,1]", "a delivery row of version 99"),
        (b'["positions"]', b'{"v":99}', "positions of version 99"),
        (b'["invoice",1]', b"{}", "not a key of this version of relay: upgrade relay"),
    ],
)
def test_what_a_newer_relay_wrote_is_refused_by_name(key, row, says):
    with pytest.raises(Undecipherable, match=says) as told:
        from_records([Record(key, row)])
    assert key.decode() in str(told.value)
    assert "upgrade relay" in str(told.value)


@pytest.mark.parametrize(
    ("key", "row"),
    [
        (b"", b""),
        (b"\xff", b"{}"),
        (b"[]", b"{}"),
        (b'["job","acme","1",100.0]', b"not JSON"),
        (b'["job","acme","1",100.0]', b"[]"),
        (b'["delivery","acme","1",100.0,"s"]', b"{}"),
        (b'["delivery","acme","1",100.0,"s"]', b"[1,2,3,4,5,6,7,8,9,10,11,12,13]"),
        (b'["positions"]', b"[]"),
        (b'["positions"]', b"\xff"),
    ],
)
def test_other_bytes_are_refused(key, row):
    with pytest.raises(Undecipherable):
        from_records([Record(key, row)])
