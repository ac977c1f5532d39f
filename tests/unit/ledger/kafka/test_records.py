"""A batch survives its records, in whatever pieces they are read; what a newer relay wrote is kept or refused."""

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.delivery import Delivery, DeliveryState
from relay.core.job import Job
from relay.core.job_row import decode
from relay.core.record import Batch, Positions
from relay.errors import Undecipherable
from relay.ledger.kafka.reading import from_records
from relay.ledger.kafka.records import Changes, Record, changes_of, incarnation_of, to_records
from relay.ledger.rows import decode_delivery

names = st.sampled_from(["a", "é", '"', ""])
times = st.sampled_from([0.0, 1.0, 1_700_000_000.1234567])
jobs = st.builds(Job, account=names, id=names, tracked_at=times, state=names, sequence=st.integers(0, 9))
deliveries = st.builds(
    Delivery,
    account=names,
    job_id=names,
    tracked_at=times,
    sink=names,
    sequence=st.integers(1, 9),
    since=times,
    due_at=times,
    state=st.sampled_from(DeliveryState),
)
batches = st.builds(
    Batch,
    jobs=st.lists(jobs, max_size=5),
    deliveries=st.lists(deliveries, max_size=5),
    marks=st.dictionaries(names, st.none() | st.binary(max_size=4), max_size=3),
)
forgettings = st.builds(
    Changes,
    gone_jobs=st.sets(jobs.map(incarnation_of), max_size=3),
    gone_deliveries=st.sets(deliveries.map(lambda one: one.key), max_size=3),
    positions=st.builds(Positions, newest=st.integers(0, 2**53), forgotten=st.integers(0, 2**53)),
)
runs = st.lists(batches.map(changes_of) | forgettings, max_size=6)

JOB = Job(account="acme", id="1", tracked_at=100.0, state="working")
DELIVERY = Delivery(account="acme", job_id="1", tracked_at=100.0, sink="s", sequence=1, since=1.0, due_at=1.0)


def rows_of(read):
    """What was read, as it was recorded."""
    return Changes(
        gone_jobs=read.gone_jobs,
        gone_deliveries=read.gone_deliveries,
        jobs=tuple(decode(job.value) for job in read.jobs),
        deliveries=tuple(decode_delivery(columns[-1]) for columns in read.deliveries),
        marks=read.marks,
        positions=read.positions,
    )


@given(changes=batches.map(changes_of) | forgettings)
def test_changes_come_back_from_their_records(changes):
    assert rows_of(from_records(to_records(changes, {}))) == changes


@given(run=runs, cut=st.integers(0, 30))
def test_records_may_be_read_in_any_pieces(run, cut):
    """Each row ends as the last record leaves it, wherever the run is cut, also in mid-transaction."""
    records = [record for changes in run for record in to_records(changes, {})]
    assert _applied(records) == _applied(records[:cut], records[cut:])


@given(run=runs)
def test_compaction_changes_nothing(run):
    """The broker keeps the last record of each key, and may keep others."""
    records = [record for changes in run for record in to_records(changes, {})]
    newest = {record.key: number for number, record in enumerate(records)}
    assert _applied([records[number] for number in sorted(newest.values())]) == _applied(records)


def _applied(*pieces):
    rows: dict[object, object] = {}
    for piece in pieces:
        changes = rows_of(from_records(piece))
        for gone in (*changes.gone_jobs, *changes.gone_deliveries):
            rows.pop(gone, None)
        rows |= {incarnation_of(job): job for job in changes.jobs}
        rows |= {delivery.key: delivery for delivery in changes.deliveries}
        rows |= changes.marks
    return {key: value for key, value in rows.items() if value is not None}


def test_a_forgotten_job_leaves_tombstones_and_then_what_it_took_with_it():
    gone = Changes(
        gone_jobs={incarnation_of(JOB)}, gone_deliveries={DELIVERY.key}, positions=Positions(newest=3, forgotten=2)
    )
    assert to_records(gone, {}) == [
        Record(b'["delivery","acme","1",100.0,"s"]', None),
        Record(b'["job","acme","1",100.0]', None),
        Record(b'["positions"]', b'{"v":1,"newest":3,"forgotten":2}'),
    ]


def test_of_equal_keys_in_one_batch_the_last_row_counts():
    newer = replace(JOB, state="completed")
    assert changes_of(Batch(jobs=[JOB, newer])).jobs == (newer,)


@pytest.mark.parametrize("tail", [b',"later":{"a":[1,null]}', b',"later":"\xc3\xa9","more":1.50'])
def test_fields_of_a_job_that_are_unknown_survive_a_rewrite(tail):
    [record] = to_records(changes_of(Batch(jobs=[JOB])), {})
    later = Record(record.key, record.value[:-1] + tail + b"}")
    read = from_records([later])
    assert rows_of(read).jobs == (JOB,)
    changed = replace(JOB, state="completed")
    [again] = to_records(changes_of(Batch(jobs=[changed])), read.unknown)
    assert again.value.endswith(tail + b"}")
    assert rows_of(from_records([again])).jobs == (changed,)
    assert from_records([again, record]).unknown == {}


def test_fields_of_a_delivery_that_are_unknown_survive_a_rewrite():
    [record] = to_records(changes_of(Batch(deliveries=[DELIVERY])), {})
    read = from_records([Record(record.key, record.value[:-1] + b',"later",[2]]')])
    assert rows_of(read).deliveries == (DELIVERY,)
    [again] = to_records(changes_of(Batch(deliveries=[replace(DELIVERY, attempts=3)])), read.unknown)
    assert orjson.loads(again.value)[12:] == ["later", [2]]


def test_what_is_unknown_goes_with_its_row():
    [record] = to_records(changes_of(Batch(jobs=[JOB])), {})
    unknown = {record.key: b',"later":1'}
    assert to_records(Changes(gone_jobs={incarnation_of(JOB)}), unknown) == [Record(record.key, None)]


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
