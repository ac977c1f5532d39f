import orjson
from hypothesis import given
from hypothesis import strategies as st

from relay.core.delivery import Delivery, DeliveryState
from relay.core.job import Items, Job, Outcome
from relay.core.record import JobView
from relay.core.standing import AccountStanding
from relay.errors import Reason
from relay.intake.opaque import write_delivery_id
from relay.intake.views import AccountList, JobDetails, JobPage, accounts, details, page

FRESH = Job(account="acme", id="a", tracked_at=1_700_000_000.0)
ENDED = Job(
    account="acme",
    id="b",
    tracked_at=1_700_000_000.0,
    state="completed",
    sequence=3,
    metadata=b'{"order":7}',
    job_status=b'{"id":"b","status":"completed","results":[{"id":1}]}',
    results_truncated=True,
    outcome=Outcome.PARTIALLY_FAILED,
    items=Items(total=2, succeeded=1, failed=1),
    detected_at=1_700_000_001.5,
    completed_at="2023-11-14 22:13:21 +0000",
)


def delivery(**fields):
    known = {"account": "acme", "job_id": "b", "tracked_at": 1.0, "sink": "orders", "sequence": 3, "since": 2.0}
    return Delivery(**known, due_at=1_700_000_002.25, **fields)


def test_a_job_not_yet_seen_has_every_field():
    assert orjson.loads(details(JobView(job=FRESH, next_poll_at=1_700_000_003.0))) == {
        "account": "acme",
        "id": "a",
        "state": "pending",
        "terminal": False,
        "outcome": None,
        "job_status": None,
        "results_truncated": False,
        "items": {"total": None, "succeeded": None, "failed": None},
        "sequence": 0,
        "tracked_at": "2023-11-14T22:13:20.000Z",
        "detected_at": None,
        "completed_at": None,
        "metadata": {},
        "next_poll_at": "2023-11-14T22:13:23.000Z",
        "deliveries": [],
    }


def test_an_ended_job_shows_what_became_of_it_and_is_not_polled_again():
    shown = orjson.loads(details(JobView(job=ENDED, next_poll_at=1_700_000_003.0)))
    assert (shown["state"], shown["terminal"], shown["outcome"]) == ("completed", True, "partially_failed")
    assert shown["job_status"] == {"id": "b", "status": "completed", "results": [{"id": 1}]}
    assert shown["items"] == {"total": 2, "succeeded": 1, "failed": 1}
    assert (shown["detected_at"], shown["completed_at"]) == ("2023-11-14T22:13:21.500Z", "2023-11-14 22:13:21 +0000")
    assert (shown["metadata"], shown["results_truncated"]) == ({"order": 7}, True)
    assert shown["next_poll_at"] is None


def test_a_delivery_shows_its_next_attempt_while_it_is_pending_and_its_end_after():
    pending = delivery(attempts=2, error="timeout")
    settled = delivery(state=DeliveryState.DEAD, attempts=9, settled_at=1_700_000_004.0, error="410")
    shown = orjson.loads(details(JobView(job=ENDED, deliveries=[pending, settled])))["deliveries"]
    assert shown == [
        {
            "id": write_delivery_id(pending.key),
            "sink": "orders",
            "state": "pending",
            "sequence": 3,
            "attempts": 2,
            "next_attempt_at": "2023-11-14T22:13:22.250Z",
            "settled_at": None,
            "error": "timeout",
        },
        {
            "id": write_delivery_id(settled.key),
            "sink": "orders",
            "state": "dead",
            "sequence": 3,
            "attempts": 9,
            "next_attempt_at": None,
            "settled_at": "2023-11-14T22:13:24.000Z",
            "error": "410",
        },
    ]


@given(st.lists(st.sampled_from([FRESH, ENDED])), st.none() | st.just("cursor"))
def test_what_is_shown_is_what_is_described(jobs, cursor):
    JobPage.model_validate_json(page(jobs, cursor))
    for job in jobs:
        JobDetails.model_validate_json(details(JobView(job=job, deliveries=[delivery()])))


@given(
    st.lists(
        st.builds(
            AccountStanding,
            name=st.text(max_size=3),
            live_jobs=st.integers(0, 3),
            limit=st.none() | st.integers(0, 9),
            remaining=st.none() | st.integers(0, 9),
            ceiling_per_minute=st.none() | st.floats(1, 9),
            trouble=st.none() | st.sampled_from(Reason),
            stale_seconds=st.floats(0, 9),
        )
    )
)
def test_how_accounts_stand_is_shown_as_described_and_by_name(standings):
    shown = AccountList.model_validate_json(accounts(standings)).accounts
    assert [one.name for one in shown] == sorted(one.name for one in standings)
    assert all(one.paused == (one.reason is not None) for one in shown)
    assert all((one.oldest_unseen_seconds is None) == (one.live_jobs == 0) for one in shown)


def test_of_an_account_that_another_replica_watches_only_what_is_known_is_told():
    standings = [
        AccountStanding(name="acme", live_jobs=3, ceiling_per_minute=60.0, elsewhere=True),
        AccountStanding(name="gone", live_jobs=1, trouble=Reason.ACCOUNT_NOT_CONFIGURED, elsewhere=True),
    ]
    known, gone = AccountList.model_validate_json(accounts(standings)).accounts
    assert (known.live_jobs, known.ceiling, known.limit, known.remaining) == (3, 60.0, None, None)
    assert (known.oldest_unseen_seconds, known.paused, known.reason) == (None, None, None)
    assert (gone.oldest_unseen_seconds, gone.paused, gone.reason) == (None, True, Reason.ACCOUNT_NOT_CONFIGURED)
