import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from relay import __version__
from relay.core.job import STATE_LABELS
from relay.core.standing import AccountStanding, SinkStanding, SinkState, Standing
from relay.errors import Reason
from relay.ops.metrics import Metrics

CONTRACT = {
    "relay_jobs_tracked": {"account", "state"},
    "relay_intake_jobs_total": {"source", "result"},
    "relay_intake_ack_seconds": set(),
    "relay_zendesk_requests_total": {"account", "outcome"},
    "relay_zendesk_request_seconds": set(),
    "relay_zendesk_rate_limit": {"account"},
    "relay_zendesk_rate_remaining": {"account"},
    "relay_rate_wait_seconds_total": {"account"},
    "relay_account_paused": {"account", "reason"},
    "relay_detection_lag_seconds": {"account"},
    "relay_staleness_seconds": {"account"},
    "relay_unseen_seconds": set(),
    "relay_expiry_risk_jobs": {"account"},
    "relay_events_total": {"type", "outcome"},
    "relay_deliveries_total": {"sink", "outcome"},
    "relay_delivery_seconds": {"sink"},
    "relay_deliveries_pending": {"sink"},
    "relay_deliveries_oldest_pending_seconds": {"sink"},
    "relay_deliveries_dead": {"sink"},
    "relay_sink_state": {"sink", "state"},
    "relay_ledger_commit_seconds": set(),
    "relay_ledger_commits_total": {"outcome"},
    "relay_ledger_bytes": set(),
    "relay_ledger_partitions": set(),
    "relay_partitions_owned": set(),
    "relay_config_last_reload_successful": set(),
    "relay_build_info": {"version"},
    "relay_event_loop_lag_seconds": set(),  # the process's own health
}
"""Every metric that relay has of its own, with its labels: the public contract."""

STANDING = Standing(
    now=1_000.0,
    jobs={("acme", "working"): 2, ("other", "working"): 3, ("other", "pending"): 1},
    accounts=[
        AccountStanding(
            name="acme",
            live_jobs=2,
            limit=700,
            remaining=650,
            trouble=Reason.RATE_LIMITED,
            stale_seconds=5.0,
            at_risk=1,
        ),
        AccountStanding(
            name="other",
            live_jobs=4,
            limit=400,
            remaining=399,
            trouble=Reason.RATE_LIMITED,
            stale_seconds=9.0,
            at_risk=2,
        ),
        AccountStanding(name="idle", live_jobs=0),
    ],
    sinks=[
        SinkStanding(
            name="orders", kind="webhook", state=SinkState.FAILING, pending=7, dead=2, oldest_pending_since=400.0
        ),
        SinkStanding(name="console", kind="log"),
    ],
    ledger_bytes=4_096,
)


def fed(*, account_label=True):
    """Metrics that have heard of everything once."""
    metrics = Metrics(account_label=account_label)
    metrics.intake_jobs("http", "created", 3)
    metrics.intake_ack(0.01)
    metrics.request("acme", "ok", 0.2)
    metrics.request("other", "rate_limited", 0.2)
    metrics.rate_waited("acme", 1.5)
    metrics.detected("acme", 2.0)
    metrics.looked([0.5, 11.0])
    metrics.event("zendesk.job.completed", "succeeded")
    metrics.delivery("orders", "delivered", 0.3)
    metrics.delivery("orders", "delivered", 0.7, 2)
    metrics.commit("committed", 0.001)
    metrics.loop_lag(0.002)
    return metrics


def samples(metrics, standing=STANDING):
    """(name, labels) of each sample on the page, and its value."""
    families = text_string_to_metric_families(asyncio.run(metrics.page(standing)).decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(found, name, **labels):
    return found[name, frozenset(labels.items())]


def labels_by_name(found):
    """What is relay's own, with histograms under their one name."""
    names = {}
    for name, labels in found:
        if name.startswith("relay_"):
            for suffix in ("_bucket", "_sum", "_count"):
                name = name.removesuffix(suffix)  # noqa: PLW2901 - the same name, shorter
            names.setdefault(name, set()).update({label for label, _ in labels} - {"le"})
    return names


def test_the_page_holds_exactly_the_names_and_labels_of_the_contract():
    assert labels_by_name(samples(fed())) == CONTRACT


def test_the_account_label_can_be_left_out():
    expected = {name: labels - {"account"} for name, labels in CONTRACT.items()}
    found = samples(fed(account_label=False))
    assert labels_by_name(found) == expected
    assert value(found, "relay_jobs_tracked", state="working") == 5
    assert value(found, "relay_account_paused", reason="rate_limited") == 2
    assert value(found, "relay_staleness_seconds") == 9.0
    assert value(found, "relay_expiry_risk_jobs") == 3
    assert value(found, "relay_zendesk_rate_remaining") == 399
    assert value(found, "relay_rate_wait_seconds_total") == 1.5
    assert value(found, "relay_detection_lag_seconds_count") == 1


def test_the_process_tells_of_itself():
    names = {name for name, _ in samples(fed())}
    assert {"process_resident_memory_bytes", "process_open_fds", "python_info"} <= names


def test_counters_and_histograms_count():
    found = samples(fed())
    assert value(found, "relay_intake_jobs_total", source="http", result="created") == 3
    assert value(found, "relay_zendesk_requests_total", account="other", outcome="rate_limited") == 1
    assert value(found, "relay_zendesk_request_seconds_count") == 2
    assert value(found, "relay_detection_lag_seconds_bucket", account="acme", le="2.0") == 1
    assert value(found, "relay_detection_lag_seconds_bucket", account="acme", le="1.5") == 0
    assert value(found, "relay_events_total", type="zendesk.job.completed", outcome="succeeded") == 1
    assert value(found, "relay_deliveries_total", sink="orders", outcome="delivered") == 3
    assert value(found, "relay_delivery_seconds_bucket", sink="orders", le="0.5") == 1
    assert value(found, "relay_delivery_seconds_count", sink="orders") == 3
    assert value(found, "relay_delivery_seconds_sum", sink="orders") == pytest.approx(1.7)
    assert value(found, "relay_ledger_commits_total", outcome="committed") == 1
    assert value(found, "relay_rate_wait_seconds_total", account="acme") == 1.5
    assert value(found, "relay_unseen_seconds_bucket", le="10.0") == 1
    assert value(found, "relay_unseen_seconds_count") == 2


def test_gauges_tell_how_things_stand_now():
    found = samples(fed())
    assert value(found, "relay_jobs_tracked", account="other", state="pending") == 1
    assert value(found, "relay_zendesk_rate_limit", account="acme") == 700
    assert value(found, "relay_account_paused", account="acme", reason="rate_limited") == 1
    assert value(found, "relay_staleness_seconds", account="idle") == 0
    assert value(found, "relay_deliveries_pending", sink="orders") == 7
    assert value(found, "relay_deliveries_oldest_pending_seconds", sink="orders") == 600
    assert value(found, "relay_deliveries_oldest_pending_seconds", sink="console") == 0
    assert value(found, "relay_deliveries_dead", sink="orders") == 2
    states = {state: value(found, "relay_sink_state", sink="orders", state=state) for state in SinkState}
    assert {state for state, present in states.items() if present} == {"failing"}
    assert value(found, "relay_sink_state", sink="console", state="active") == 1
    assert value(found, "relay_ledger_bytes") == 4_096
    assert value(found, "relay_build_info", version=__version__) == 1


def test_who_owns_the_ledger_can_be_added_up_over_processes():
    """Embedded, there is one partition, and it is ours."""
    found = samples(Metrics(), Standing())
    assert [value(found, f"relay_{name}") for name in ("ledger_partitions", "partitions_owned")] == [1, 1]
    found = samples(Metrics(), Standing(ledger_partitions=12, partitions_owned=5))
    assert [value(found, f"relay_{name}") for name in ("ledger_partitions", "partitions_owned")] == [12, 5]


def test_what_is_no_longer_so_is_gone_from_the_page():
    metrics = fed()
    samples(metrics)
    found = samples(metrics, Standing())
    assert not any(dict(labels).get("reason") for _, labels in found)
    assert ("relay_zendesk_rate_limit", frozenset({("account", "acme")})) not in found


@pytest.mark.parametrize("successful", [True, False])
def test_the_last_reload_of_the_configuration_shows(successful):
    metrics = Metrics()
    metrics.config_reloaded(successful=successful)
    assert value(samples(metrics), "relay_config_last_reload_successful") == successful


@pytest.mark.parametrize("account_label", [True, False])
def test_of_an_account_that_is_no_longer_configured_nothing_is_told(account_label):
    """Or labels would grow without bound where accounts come and go. Without the label there is nothing to end."""
    metrics = Metrics(account_label=account_label)
    for account in ("acme", "other"):
        metrics.request(account, "ok", 0.1)
        metrics.request(account, Reason.TIMEOUT, 0.1)
        metrics.rate_waited(account, 1.0)
        metrics.detected(account, 1.0)
    before = samples(metrics, Standing())
    metrics.forget("acme")
    metrics.forget("never seen")
    gone = {dict(labels).get("account") for _, labels in before.keys() - samples(metrics, Standing()).keys()}
    assert gone == ({"acme"} if account_label else set())
    assert not any(dict(labels).get("account") == "acme" for _, labels in samples(metrics, Standing()))


def test_labels_with_quotes_and_line_ends_do_not_break_the_page():
    metrics = Metrics()
    metrics.delivery('a"b\\c\nd', "delivered", 0.1)
    assert value(samples(metrics), "relay_deliveries_total", sink='a"b\\c\nd', outcome="delivered") == 1


def test_two_pages_in_one_process_share_nothing():
    first, second = fed(), Metrics()
    assert ("relay_intake_ack_seconds_count", frozenset()) in samples(first)
    assert value(samples(second), "relay_intake_ack_seconds_count") == 0


def test_states_are_a_closed_set():
    jobs = {("acme", state): 1 for state in STATE_LABELS}
    found = samples(Metrics(), Standing(jobs=jobs))
    assert {dict(labels)["state"] for name, labels in found if name == "relay_jobs_tracked"} == set(STATE_LABELS)
