"""Every call of the API, as it is described."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from relay.intake.bodies import Item, Many, Reply, Submitted
from relay.intake.event_views import EventList
from relay.intake.keys import Scope
from relay.intake.ledger_calls import SQLITE
from relay.intake.negotiation import EVENT_STREAM
from relay.intake.probes import HealthReport
from relay.intake.queries import DeliveryQuery, EventQuery, ListQuery, ReadQuery
from relay.intake.sink_calls import Span
from relay.intake.sink_views import DeliveryList, Recovered, Retried, SinkDetails, SinkList, TrialResult
from relay.intake.views import AccountList, JobDetails, JobPage


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call. `scopes`: of which a key needs one; none: no key is needed. `body`: what it takes, one of these.

    `answers`: by status, what it means and the model of its JSON (None: there is none). `other_content`: schemas by
    media type, of answers that are not, or not only, described by a model. `headers`: what they are for.
    """

    method: str
    path: str
    name: str
    summary: str
    answers: Mapping[int, tuple[str, type[BaseModel] | None]]
    problems: Sequence[int] = ()
    scopes: Sequence[Scope] = ()
    query: type[BaseModel] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Sequence[type[Any]] = ()
    other_content: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


JOB = "/v1/jobs/{account}/{id}"
SINK = "/v1/sinks/{name}"
TEXT = {"type": "string"}
READING = (401, 403, 429, 500, 503)
CHANGING = (401, 403, 404, 429, 500, 503)
TAKING = (400, 408, 413, 415, 422)

JOBS = (
    Call(
        method="post",
        path="/v1/jobs",
        name="submitJobs",
        summary="Track one job or several; answered once they are durable.",
        scopes=[Scope.SUBMIT],
        body=(Item, Reply, Many),
        answers={
            202: ("All jobs are recorded. With the Kafka ledger, several replicas may call one job created.", Submitted)
        },
        problems=(401, 403, 429, 500, 503, *TAKING),
    ),
    Call(
        method="get",
        path="/v1/jobs",
        name="listJobs",
        summary="The tracked jobs, newest first.",
        scopes=[Scope.READ],
        query=ListQuery,
        answers={200: ("A page.", JobPage)},
        problems=(404, 422, *READING),
    ),
    Call(
        method="get",
        path=JOB,
        name="readJob",
        summary="One job, at once or when it ends.",
        scopes=[Scope.READ],
        query=ReadQuery,
        answers={200: ("The job as recorded.", JobDetails)},
        problems=(404, 422, *READING),
    ),
    Call(
        method="delete",
        path=JOB,
        name="deleteJob",
        summary="Stop tracking: no event follows; deliveries that are owed go on.",
        scopes=[Scope.ADMIN],
        answers={204: ("It is not tracked any more. It was known: with the Kafka ledger, to this replica.", None)},
        problems=CHANGING,
    ),
)
EVENTS = (
    Call(
        method="get",
        path="/v1/events",
        name="readEvents",
        summary="The recorded events in their order: a page of them, or as Server-Sent Events as they are recorded.",
        scopes=[Scope.READ],
        query=EventQuery,
        headers={"Last-Event-ID": "Of a stream: the last `id` that was received, to go on after it."},
        answers={200: ("A page, or a stream for who asks for one in `Accept`.", EventList)},
        other_content={EVENT_STREAM: TEXT},
        problems=(404, 410, 422, *READING),
    ),
)
OPERATION = (
    Call(
        method="get",
        path="/v1/accounts",
        name="listAccounts",
        summary="How the accounts stand: their budgets, their jobs, and which of them are paused.",
        scopes=[Scope.READ],
        answers={200: ("All accounts that the key may see.", AccountList)},
        problems=(401, 403, 500),
    ),
    Call(
        method="get",
        path="/v1/sinks",
        name="listSinks",
        summary="How the sinks stand, and how many deliveries wait and have failed for good.",
        scopes=[Scope.READ, Scope.ADMIN],
        answers={200: ("All sinks.", SinkList)},
        problems=READING,
    ),
    Call(
        method="post",
        path=f"{SINK}/pause",
        name="pauseSink",
        summary="Begin no further attempt until it is resumed; events wait.",
        scopes=[Scope.ADMIN],
        answers={200: ("The sink as it stands now.", SinkDetails)},
        problems=CHANGING,
    ),
    Call(
        method="post",
        path=f"{SINK}/resume",
        name="resumeSink",
        summary="Go on after a pause, or after the receiver answered 410.",
        scopes=[Scope.ADMIN],
        answers={200: ("The sink as it stands now.", SinkDetails)},
        problems=CHANGING,
    ),
    Call(
        method="post",
        path=f"{SINK}/test",
        name="testSink",
        summary="Send a signed `relay.test` event, once.",
        scopes=[Scope.ADMIN],
        answers={200: ("How it went.", TrialResult)},
        problems=CHANGING,
    ),
    Call(
        method="post",
        path=f"{SINK}/recover",
        name="recoverSink",
        summary="Owe again, at once, what could not be delivered and became owed between two times.",
        scopes=[Scope.ADMIN],
        body=(Span,),
        answers={200: ("How many deliveries; with the Kafka ledger, as far as this replica knows.", Recovered)},
        problems=(*CHANGING, *TAKING),
    ),
    Call(
        method="get",
        path="/v1/deliveries",
        name="listDeliveries",
        summary="What could not be delivered, or waits.",
        scopes=[Scope.ADMIN],
        query=DeliveryQuery,
        answers={200: ("A page.", DeliveryList)},
        problems=(422, *READING),
    ),
    Call(
        method="post",
        path="/v1/deliveries/{id}/retry",
        name="retryDelivery",
        summary="Attempt one delivery now, whether it is pending, dead or delivered.",
        scopes=[Scope.ADMIN],
        answers={202: ("It is due.", Retried)},
        problems=CHANGING,
    ),
    Call(
        method="get",
        path="/v1/ledger/backup",
        name="backUpLedger",
        summary="A complete copy of the ledger's SQLite file, with the secrets in it; relay goes on meanwhile.",
        scopes=[Scope.ADMIN],
        answers={200: ("The file.", None)},
        other_content={SQLITE: {"type": "string", "format": "binary"}},
        problems=CHANGING,
    ),
)
PROBES = (
    Call(
        method="get",
        path="/livez",
        name="live",
        summary="Whether work progresses.",
        answers={200: ("It does.", HealthReport), 503: ("It does not: restart.", HealthReport)},
    ),
    Call(
        method="get",
        path="/readyz",
        name="ready",
        summary="Whether requests should be sent here.",
        answers={200: ("They should.", HealthReport), 503: ("Not now.", HealthReport)},
    ),
    Call(
        method="get",
        path="/metrics",
        name="metrics",
        summary="Metrics in the Prometheus text format.",
        answers={200: ("The metrics.", None)},
        other_content={"text/plain": TEXT},
        problems=(500,),
    ),
    Call(
        method="get",
        path="/openapi.json",
        name="describe",
        summary="This description.",
        answers={200: ("An OpenAPI document.", None)},
        other_content={"application/json": {"type": "object"}},
    ),
)
CALLS = (*JOBS, *EVENTS, *OPERATION, *PROBES)

PROBLEMS = {
    400: "The body is not readable JSON.",
    401: "No valid API key.",
    403: "The API key does not allow this.",
    404: "There is no such thing, or none that the API key sees.",
    408: "The body did not arrive in time.",
    410: "Events after the cursor may be forgotten.",
    413: "The body is too large.",
    415: "The body is not plain JSON.",
    422: "Something in the request is not acceptable; nothing was accepted.",
    429: "Too much at once; try again later.",
    500: "Relay failed; nothing is promised.",
    503: "Nothing can be recorded now; try again later.",
}
PROBLEM_HEADERS = {401: "WWW-Authenticate", 403: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}
