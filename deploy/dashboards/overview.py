"""The first page to open: is it well, is it fresh, is it within budget, is anything stuck; below, since when."""

from deploy.dashboards.pages import Page, Row
from deploy.dashboards.panels import NONE_IS_GOOD, Graph, Stat, falling, rising
from deploy.dashboards.queries import Query, per_minute, quantiles

WELL = Row(
    "Is it well?",
    (
        Stat(
            title="Alerts",
            description="That fire now. The list is in Prometheus or Alertmanager; each has a runbook.",
            queries=[Query('count(ALERTS{alertname=~"Relay.*", alertstate="firing"}) or vector(0)')],
            steps=NONE_IS_GOOD,
            width=5,
        ),
        Stat(
            title="Replicas",
            description="That Prometheus gets metrics of. Embedded, it is one.",
            queries=[Query("count(relay_build_info{@relay}) or vector(0)")],
            steps=falling(1, 1),
            alert="RelayDown",
            width=5,
        ),
        Stat(
            title="Partitions without an owner",
            description="Jobs of their accounts are recorded, but nothing is polled or sent. Seconds of it are usual "
            "while replicas come and go.",
            queries=[Query("max(relay_ledger_partitions{@relay}) - sum(relay_partitions_owned{@relay})")],
            steps=NONE_IS_GOOD,
            alert="RelayPartitionWithoutOwner",
            width=5,
        ),
        Stat(
            title="Failed commits, 5 min",
            description="While the ledger cannot be written, jobs are answered 503, and nothing is polled or sent.",
            queries=[
                Query('round(sum(increase(relay_ledger_commits_total{@relay, outcome="failed"}[5m]))) or vector(0)')
            ],
            steps=NONE_IS_GOOD,
            alert="RelayLedgerFailing",
            width=5,
        ),
        Stat(
            title="Configuration",
            description="Whether what was last read is in use. If not, what is broken stays as it was before.",
            queries=[Query("min(relay_config_last_reload_successful{@relay})")],
            steps=falling(1, 1),
            words={1: ("in use", "green"), 0: ("broken", "red")},
            alert="RelayReloadFailed",
            width=4,
        ),
    ),
)
FRESH = Row(
    "Is it fresh?",
    (
        Stat(
            title="Seen within 10 s, 1 h",
            description="Of the completions of the last hour, from Zendesk's own time of the end to our seeing it. "
            "The objective is 99 %.",
            queries=[
                Query(
                    'sum(increase(relay_detection_lag_seconds_bucket{@relay, le="10.0"}[1h]))'
                    " / sum(increase(relay_detection_lag_seconds_count{@relay}[1h]))"
                )
            ],
            unit="percentunit",
            steps=falling(0.99, 0.95),
            alert="RelayFreshnessBurning",
            width=6,
        ),
        Stat(
            title="Allowance left, 30 d",
            description="Of the 1 % of completions that may be seen later than 10 s. Below 0, the objective is missed.",
            queries=[
                Query(
                    "1 - sum(sum_over_time(job:relay_detections_late:rate5m{@relay}[30d]))"
                    " / sum(sum_over_time(job:relay_detections:rate5m{@relay}[30d])) / 0.01"
                )
            ],
            unit="percentunit",
            steps=falling(0.25, 0),
            alert="RelayFreshnessBurningSlowly",
            width=6,
        ),
        Stat(
            title="Longest unseen",
            description="The live job of which nothing was heard for longest. Up to about 15 s is usual, minutes for "
            "jobs that have run for hours.",
            queries=[Query("max(relay_staleness_seconds{@relay})")],
            unit="s",
            steps=rising(300, 900),
            alert="RelayJobsUnseen",
            width=6,
        ),
        Stat(
            title="Jobs at risk",
            description="Near the age at which they are given up, and not seen lately.",
            queries=[Query("sum(relay_expiry_risk_jobs{@relay})")],
            steps=NONE_IS_GOOD,
            alert="RelayJobsAtRisk",
            width=6,
        ),
    ),
)
BUDGET = Row(
    "Is it within budget?",
    (
        Stat(
            title="Requests to Zendesk, per min",
            description="Of all accounts. One request sees up to 100 jobs.",
            queries=[Query("60 * sum(rate(relay_zendesk_requests_total{@relay}[$__rate_interval]))")],
            width=6,
        ),
        Stat(
            title="Least left of a rate limit",
            description="Of the account that has least left in this minute, by all who use it.",
            queries=[Query("min(relay_zendesk_rate_remaining{@relay} / relay_zendesk_rate_limit{@relay})")],
            unit="percentunit",
            steps=falling(0.25, 0.05),
            width=6,
        ),
        Stat(
            title="Waiting for the budget",
            description="Of the time, at the account that waits most: polls were due and the budget did not allow "
            "them. Much of it, and completions are seen late.",
            queries=[Query("max(sum by (account) (rate(relay_rate_wait_seconds_total{@relay}[5m]))) or vector(0)")],
            unit="percentunit",
            steps=rising(0.5, 0.9),
            width=6,
        ),
        Stat(
            title="Refused: 429, 1 h",
            description="Requests that Zendesk refused since the account's limit was used up, by whomever.",
            queries=[
                Query(
                    'round(sum(increase(relay_zendesk_requests_total{@relay, outcome="rate_limited"}[1h])))'
                    " or vector(0)"
                )
            ],
            steps=rising(10, 100),
            width=6,
        ),
    ),
)
STUCK = Row(
    "Is anything stuck?",
    (
        Stat(
            title="Accounts that stand still",
            description="Denied, out of order, told to wait, or not configured. Page accounts tells which and why.",
            queries=[Query("count(max by (account) (relay_account_paused{@relay})) or vector(0)")],
            steps=rising(1, 10),
            alert="RelayAccountDenied",
            width=6,
        ),
        Stat(
            title="Sinks that are not active",
            description="Throttled, failing, paused or disabled. Page sinks tells which.",
            queries=[Query('count(max by (sink) (relay_sink_state{@relay, state!="active"}) > 0) or vector(0)')],
            steps=rising(1, 10),
            alert="RelaySinkFailing",
            width=6,
        ),
        Stat(
            title="Oldest delivery owed",
            description="How long the event has waited that has waited longest for its receiver. It is given up "
            "after three days.",
            queries=[Query("max(relay_deliveries_oldest_pending_seconds{@relay})")],
            unit="s",
            steps=rising(300, 86_400),
            alert="RelaySinkFailing",
            width=6,
        ),
        Stat(
            title="Dead letters",
            description="Deliveries that were given up and can be sent again.",
            queries=[Query("sum(relay_deliveries_dead{@relay})")],
            steps=rising(1, 100),
            alert="RelayDeadLettersGrowing",
            width=6,
        ),
    ),
)
WORK = Row(
    "Work",
    (
        Graph(
            title="Jobs handed in, per min",
            description="`created`, `exists` (handed in again) and `refused`, over HTTP or from Kafka.",
            queries=[per_minute("relay_intake_jobs_total{@relay}", "source", "result")],
        ),
        Graph(
            title="Live jobs",
            description="That are watched, by Zendesk's word for their state; `pending` until first seen.",
            queries=[Query("sum by (state) (relay_jobs_tracked{@relay})", "{{state}}")],
        ),
        Graph(
            title="Jobs ended, per min",
            description="By outcome. `unknown`: expired, lost, or of a kind that does not tell.",
            queries=[per_minute('relay_events_total{@relay, outcome!="none"}', "outcome")],
        ),
        Graph(
            title="From completed to seen",
            description="By Zendesk's own time of the end, which is in whole seconds.",
            queries=quantiles("relay_detection_lag_seconds"),
            unit="s",
            steps=((None, "green"), (10, "red")),
            alert="RelayFreshnessBurning",
        ),
        Graph(
            title="Requests to Zendesk, per min",
            description="By how they ended. Other than `ok` now and then is usual.",
            queries=[per_minute("relay_zendesk_requests_total{@relay}", "outcome")],
        ),
        Graph(
            title="Attempts to deliver, per min",
            description="By how they ended.",
            queries=[per_minute("relay_deliveries_total{@relay}", "outcome")],
        ),
    ),
)
MACHINE = Row(
    "Machine",
    (
        Graph(
            title="Acknowledged within",
            description="From a request with jobs to its answer, which is when they are durable.",
            queries=quantiles("relay_intake_ack_seconds"),
            unit="s",
            alert="RelayLedgerSlow",
        ),
        Graph(
            title="Ledger commits",
            description="How long they take. Many changes share one.",
            queries=quantiles("relay_ledger_commit_seconds"),
            unit="s",
            steps=((None, "green"), (1, "red")),
            alert="RelayLedgerSlow",
        ),
        Graph(
            title="Ledger commits, per min",
            description="By outcome. Nothing is polled or sent while they fail.",
            queries=[per_minute("relay_ledger_commits_total{@relay}", "outcome")],
            alert="RelayLedgerFailing",
        ),
        Graph(
            title="Event loop",
            description="The part of the time that it was late. Above a quarter the process has too much to do.",
            queries=[
                Query(
                    "max by (instance) (rate(relay_event_loop_lag_seconds_sum{@relay}[$__rate_interval]))",
                    "{{instance}}",
                )
            ],
            unit="percentunit",
            steps=((None, "green"), (0.25, "red")),
            alert="RelayEventLoopLate",
        ),
        Graph(
            title="Processor",
            description="Cores in use. A replica can use one, and little more.",
            queries=[
                Query(
                    "rate(process_cpu_seconds_total{@relay}[$__rate_interval])",
                    "{{instance}}",
                )
            ],
            unit="none",
        ),
        Graph(
            title="Memory",
            description="Resident. It grows with live jobs, not with what was handed in before.",
            queries=[Query("process_resident_memory_bytes{@relay}", "{{instance}}")],
            unit="bytes",
        ),
        Graph(
            title="Ledger",
            description="Its size on disk; with Kafka, of the images that a replica keeps.",
            queries=[Query("relay_ledger_bytes{@relay}", "{{instance}}")],
            unit="bytes",
        ),
        Graph(
            title="Partitions owned",
            description="By replica. Embedded, there is one.",
            queries=[Query("relay_partitions_owned{@relay}", "{{instance}}")],
            alert="RelayPartitionWithoutOwner",
        ),
        Graph(
            title="Version",
            description="How many replicas run which.",
            queries=[Query("count by (version) (relay_build_info{@relay})", "{{version}}")],
        ),
    ),
)

PAGE = Page(
    name="overview",
    title="Relay: overview",
    description="Is relay well, is it fresh, is it within budget, is anything stuck.",
    rows=(WELL, FRESH, BUDGET, STUCK, WORK, MACHINE),
)
