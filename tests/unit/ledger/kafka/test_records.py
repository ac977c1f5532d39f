"""A batch survives its records, in whatever pieces they are read."""

from operator import attrgetter

from hypothesis import given
from hypothesis import strategies as st

from relay.core.delivery import Delivery, DeliveryState
from relay.core.job import Job
from relay.core.job_row import decode
from relay.core.record import Batch, Positions
from relay.ledger.kafka.reading import from_records
from relay.ledger.kafka.records import Changes, Record, changes_of, to_records
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
    jobs=st.lists(jobs, max_size=5, unique_by=attrgetter("incarnation")).map(tuple),
    deliveries=st.lists(deliveries, max_size=5, unique_by=attrgetter("key")).map(tuple),
    marks=st.dictionaries(names, st.none() | st.binary(max_size=4), max_size=3),
)
forgettings = st.builds(
    Changes,
    gone_jobs=st.sets(jobs.map(lambda one: one.incarnation), max_size=3),
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
        rows |= {job.incarnation: job for job in changes.jobs}
        rows |= {delivery.key: delivery for delivery in changes.deliveries}
        rows |= changes.marks
    return {key: value for key, value in rows.items() if value is not None}


def test_a_forgotten_job_leaves_tombstones_and_then_what_it_took_with_it():
    gone = Changes(
        gone_jobs={JOB.incarnation}, gone_deliveries={DELIVERY.key}, positions=Positions(newest=3, forgotten=2)
    )
    assert to_records(gone, {}) == [
        Record(b'["delivery","acme","1",100.0,"s"]', None),
        Record(b'["job","acme","1",100.0]', None),
        Record(b'["positions"]', b'{"v":1,"newest":3,"forgotten":2}'),
    ]
