"""Zendesk's accounts: what relay watches for each, how soon it sees, and what that costs."""

from deploy.dashboards.pages import Choice, Page, Row
from deploy.dashboards.panels import Course, Graph, falling, rising
from deploy.dashboards.queries import Query, highest, lowest, per_minute, quantiles, ratio

STANDING = Row(
    "How they stand",
    (
        Course(
            title="Paused",
            description="Accounts that stand still, and why. `rate_limited` now and then is usual; `unauthorized` and "
            "`forbidden` need new credentials, `account_not_configured` needs the account in the configuration.",
            queries=[
                highest(Query("max by (account, reason) (relay_account_paused{@account})", "{{account}}: {{reason}}"))
            ],
            words={1: ("stands still", "red")},
            alert="RelayAccountDenied",
        ),
        Graph(
            title="Live jobs",
            description="That are watched.",
            queries=[highest(Query("sum by (account) (relay_jobs_tracked{@account})", "{{account}}"))],
        ),
        Graph(
            title="Jobs at risk",
            description="Near the age at which they are given up, and not seen lately.",
            queries=[highest(Query("sum by (account) (relay_expiry_risk_jobs{@account})", "{{account}}"))],
            steps=((None, "green"), (1, "red")),
            alert="RelayJobsAtRisk",
        ),
    ),
)
FRESHNESS = Row(
    "How soon it sees",
    (
        Graph(
            title="Seen within 10 s",
            description="Of the completions, by account: the lowest. The objective is 99 % of all.",
            queries=[
                lowest(
                    ratio(
                        'relay_detection_lag_seconds_bucket{@account, le="10.0"}',
                        "relay_detection_lag_seconds_count{@account}",
                        "account",
                        window="5m",
                    )
                )
            ],
            unit="percentunit",
            steps=falling(0.99, 0.99),
            alert="RelayFreshnessBurning",
        ),
        Graph(
            title="Slowest hundredth",
            description="From Zendesk's own time of the end to our seeing it: 99 % were seen sooner.",
            queries=[
                highest(
                    Query(
                        "histogram_quantile(0.99, "
                        "sum by (account, le) (rate(relay_detection_lag_seconds_bucket{@account}[5m])))",
                        "{{account}}",
                    )
                )
            ],
            unit="s",
            steps=((None, "green"), (10, "red")),
            alert="RelayFreshnessBurning",
        ),
        Graph(
            title="Longest unseen",
            description="The account's live job of which nothing was heard for longest.",
            queries=[highest(Query("max by (account) (relay_staleness_seconds{@account})", "{{account}}"))],
            unit="s",
            steps=rising(300, 900),
            alert="RelayJobsUnseen",
        ),
        Graph(
            title="Unseen when looked at",
            description="How long a job had gone unseen when Zendesk told of it again; of all accounts. It is how late "
            "an end can be seen at most.",
            queries=quantiles("relay_unseen_seconds"),
            unit="s",
            width=12,
        ),
        Graph(
            title="Jobs per request",
            description="That a request told of, on average; of all accounts. It can be 100.",
            queries=[
                ratio("relay_unseen_seconds_count{@relay}", 'relay_zendesk_requests_total{@relay, outcome="ok"}'),
            ],
            width=12,
        ),
    ),
)
BUDGET = Row(
    "What it costs",
    (
        Graph(
            title="Requests to Zendesk, per min",
            description="By account.",
            queries=[highest(per_minute("relay_zendesk_requests_total{@account}", "account"))],
        ),
        Graph(
            title="Requests that failed, per min",
            description="By account and how they ended. A reason in words is in the log, event `account.paused`.",
            queries=[
                highest(per_minute('relay_zendesk_requests_total{@account, outcome!="ok"}', "account", "outcome"))
            ],
            alert="RelayJobsUnseen",
        ),
        Graph(
            title="How long requests take",
            description="Of all accounts.",
            queries=quantiles("relay_zendesk_request_seconds"),
            unit="s",
        ),
        Graph(
            title="Left of the rate limit",
            description="In this minute, by all who use it: the lowest. Relay leaves `rate.reserve` to others.",
            queries=[
                lowest(
                    Query(
                        "min by (account) "
                        "(relay_zendesk_rate_remaining{@account} / relay_zendesk_rate_limit{@account})",
                        "{{account}}",
                    )
                )
            ],
            unit="percentunit",
            steps=falling(0.25, 0.05),
        ),
        Graph(
            title="Rate limit, per min",
            description="As Zendesk told it last.",
            queries=[highest(Query("max by (account) (relay_zendesk_rate_limit{@account})", "{{account}}"))],
        ),
        Graph(
            title="Waiting for the budget",
            description="The part of the time in which polls were due and the budget did not allow them.",
            queries=[
                highest(
                    Query(
                        "sum by (account) (rate(relay_rate_wait_seconds_total{@account}[5m]))",
                        "{{account}}",
                    )
                )
            ],
            unit="percentunit",
            steps=rising(0.5, 0.9),
            alert="RelayFreshnessBurning",
        ),
    ),
)

PAGE = Page(
    name="accounts",
    title="Relay: accounts",
    description="What relay watches for each account, how soon it sees, and what that costs of the rate limit.",
    choices=(Choice("account", "Account", "relay_staleness_seconds{@relay}"),),
    rows=(STANDING, FRESHNESS, BUDGET),
)
