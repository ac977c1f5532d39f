import pytest
from prometheus_client.parser import text_string_to_metric_families

from relay.core.standing import AccountStanding, Standing
from relay.errors import Reason
from relay.ops.accounts import AccountMetrics


def samples(metrics, standing):
    text = "".join(metrics.lines(standing))
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def fed(*, label=True):
    metrics = AccountMetrics(label=label)
    for account in ("acme", "other"):
        metrics.request(account, "ok", 0.1)
        metrics.request(account, Reason.TIMEOUT, 0.1)
        metrics.rate_waited(account, 1.0)
        metrics.detected(account, 1.0)
        metrics.looked([2.0, 3.0])
    return metrics


@pytest.mark.parametrize("label", [True, False])
def test_of_an_account_that_is_no_longer_configured_nothing_is_told(label):
    """Or labels would grow without bound where accounts come and go. Without the label there is nothing to end."""
    metrics = fed(label=label)
    before = samples(metrics, Standing())
    metrics.forget("acme")
    metrics.forget("never seen")
    after = samples(metrics, Standing())
    gone = {dict(labels).get("account") for _, labels in before.keys() - after.keys()}
    assert gone == ({"acme"} if label else set())
    assert not any(dict(labels).get("account") == "acme" for _, labels in after)


def test_what_is_counted_while_a_page_is_written_does_not_spoil_it():
    """The page is written a part at a time, and requests end in between."""
    metrics = fed()
    lines = metrics.lines(Standing(accounts=[AccountStanding(name="acme", live_jobs=1)]))
    page = [next(lines), next(lines)]
    metrics.request("new", "ok", 0.1)
    metrics.request("acme", "reset", 0.1)
    metrics.detected("new", 1.0)
    metrics.forget("other")
    page += lines
    assert 'relay_staleness_seconds{account="acme"} 0.0\n' in page


def test_without_the_label_all_accounts_are_one():
    standing = Standing(
        jobs={("acme", "working"): 2, ("other", "working"): 3},
        accounts=[
            AccountStanding(name="acme", live_jobs=2, limit=700, trouble=Reason.DNS, stale_seconds=2.0, at_risk=1),
            AccountStanding(name="other", live_jobs=3, limit=400, remaining=7, trouble=Reason.DNS, at_risk=2),
        ],
    )
    found = samples(fed(label=False), standing)
    assert {name: value for (name, labels), value in found.items() if not labels} == {
        "relay_zendesk_request_seconds_count": 4.0,
        "relay_zendesk_request_seconds_sum": pytest.approx(0.4),
        "relay_rate_wait_seconds_total": 2.0,
        "relay_detection_lag_seconds_count": 2.0,
        "relay_detection_lag_seconds_sum": 2.0,
        "relay_unseen_seconds_count": 4.0,
        "relay_unseen_seconds_sum": 10.0,
        "relay_zendesk_rate_limit": 400.0,
        "relay_zendesk_rate_remaining": 7.0,
        "relay_staleness_seconds": 2.0,
        "relay_expiry_risk_jobs": 3.0,
    }
    assert found["relay_jobs_tracked", frozenset({("state", "working")})] == 5.0
    assert found["relay_account_paused", frozenset({("reason", "dns")})] == 2.0
    assert found["relay_zendesk_requests_total", frozenset({("outcome", "ok")})] == 2.0
