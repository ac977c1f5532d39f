"""Where events go: what each sink is owed, how its receiver answers, what was given up."""

from deploy.dashboards.pages import Choice, Page, Row
from deploy.dashboards.panels import Course, Graph, falling, rising
from deploy.dashboards.queries import Query, per_minute, ratio

STANDING = Row(
    "How they stand",
    (
        Course(
            title="State",
            description="`throttled`: the receiver asked for time. `failing`: it has failed for long, and is tried now "
            "and then. `paused`: by a person. `disabled`: the receiver answered 410.",
            queries=[
                Query(
                    'max by (sink) (relay_sink_state{@sink, state="throttled"}'
                    ' or 2 * relay_sink_state{@sink, state="failing"}'
                    ' or 3 * relay_sink_state{@sink, state="paused"}'
                    ' or 4 * relay_sink_state{@sink, state="disabled"})',
                    "{{sink}}",
                )
            ],
            words={
                0: ("active", "green"),
                1: ("throttled", "yellow"),
                2: ("failing", "red"),
                3: ("paused", "blue"),
                4: ("disabled", "purple"),
            },
            alert="RelaySinkHeld",
        ),
        Graph(
            title="Owed",
            description="Deliveries that are still to be made, those that wait for another attempt included.",
            queries=[Query("sum by (sink) (relay_deliveries_pending{@sink})", "{{sink}}")],
            alert="RelaySinkFailing",
        ),
        Graph(
            title="Oldest owed",
            description="How long the sink's oldest event has waited. It is given up after three days.",
            queries=[Query("max by (sink) (relay_deliveries_oldest_pending_seconds{@sink})", "{{sink}}")],
            unit="s",
            steps=rising(300, 86_400),
            alert="RelaySinkFailing",
        ),
    ),
)
ATTEMPTS = Row(
    "How receivers answer",
    (
        Graph(
            title="Attempts by outcome, per min",
            description="`delivered`, or why not: `refused` is another 4xx, `gone` a 410.",
            queries=[per_minute("relay_deliveries_total{@sink}", "sink", "outcome")],
            alert="RelaySinkFailing",
        ),
        Graph(
            title="Part that is taken",
            description="Of the attempts, how many ended with `delivered`.",
            queries=[
                ratio(
                    'relay_deliveries_total{@sink, outcome="delivered"}',
                    "relay_deliveries_total{@sink}",
                    "sink",
                    window="5m",
                )
            ],
            unit="percentunit",
            steps=falling(0.99, 0.5),
        ),
        Graph(
            title="Slowest hundredth",
            description="How long attempts take; 99 % take less. A sink has `concurrency` attempts under way "
            "at once, so slow ones limit what it takes.",
            queries=[
                Query(
                    "histogram_quantile(0.99, sum by (sink, le) "
                    "(rate(relay_delivery_seconds_bucket{@sink}[$__rate_interval])))",
                    "{{sink}}",
                )
            ],
            unit="s",
        ),
    ),
)
EVENTS = Row(
    "Events",
    (
        Graph(
            title="Dead letters",
            description="Deliveries that were given up and can be sent again: `relay deliveries recover`.",
            queries=[Query("sum by (sink) (relay_deliveries_dead{@sink})", "{{sink}}")],
            steps=rising(1, 100),
            alert="RelayDeadLettersGrowing",
        ),
        Graph(
            title="Events recorded, per min",
            description="By type, whoever wants them.",
            queries=[per_minute("relay_events_total{@relay}", "type")],
        ),
        Graph(
            title="Delivered, per min",
            description="By sink.",
            queries=[per_minute('relay_deliveries_total{@sink, outcome="delivered"}', "sink")],
        ),
    ),
)

PAGE = Page(
    name="sinks",
    title="Relay: sinks",
    description="What each sink is owed, how its receiver answers, what was given up.",
    choices=(Choice("sink", "Sink", "relay_deliveries_pending{@relay}"),),
    rows=(STANDING, ATTEMPTS, EVENTS),
)
