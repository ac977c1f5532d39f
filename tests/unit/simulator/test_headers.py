from random import Random

import pytest

from relay.simulator.budget import Reading
from relay.simulator.headers import Case, RateHeaders, Spelling

READING = Reading(limit=700, remaining=33, reset_seconds=41, spent=False)


def told(*spellings, **options):
    return RateHeaders(spellings=spellings, **options).tell(READING, Random(1))


@pytest.mark.parametrize(
    ("spelling", "headers"),
    [
        (Spelling.X_RATE_LIMIT, {"X-Rate-Limit": "700", "X-Rate-Limit-Remaining": "33"}),
        (Spelling.RATE_LIMIT, {"rate-limit": "700", "rate-limit-remaining": "33", "rate-limit-reset": "41"}),
        (Spelling.RATELIMIT, {"ratelimit-limit": "700", "ratelimit-remaining": "33", "ratelimit-reset": "41"}),
        (Spelling.BUCKET, {"zendesk-ratelimit-job-statuses-show-many": "total=100; remaining=99; resets=41"}),
        (Spelling.BUCKET_HYPHENED, {"zendesk-rate-limit-job-statuses-show-many": "total=100; remaining=99; resets=41"}),
    ],
)
def test_each_spelling_that_was_recorded(spelling, headers):
    assert told(spelling) == headers


def test_spellings_add_up():
    assert told(*Spelling).keys() == {name for spelling in Spelling for name in told(spelling)}
    assert told() == {}


def test_names_come_in_any_case():
    assert set(told(Spelling.X_RATE_LIMIT, case=Case.LOWER)) == {"x-rate-limit", "x-rate-limit-remaining"}
    assert set(told(Spelling.X_RATE_LIMIT, case=Case.UPPER)) == {"X-RATE-LIMIT", "X-RATE-LIMIT-REMAINING"}


def test_each_reply_keeps_other_headers():
    headers, random = RateHeaders(spellings=tuple(Spelling), kept=0.4), Random(1)
    subsets = [frozenset(headers.tell(READING, random)) for _ in range(300)]
    assert len(set(subsets)) > 100
    assert 0.3 < sum(map(len, subsets)) / (300 * len(told(*Spelling))) < 0.5
