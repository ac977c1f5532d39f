"""Where events go."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from relay.config.addresses import HostPattern, Proxy, WebhookUrl
from relay.config.faults import Fault
from relay.config.sections import Listed, Section
from relay.config.values import (
    TERMINAL_EVENTS,
    Events,
    FilePath,
    Headers,
    Name,
    NamePattern,
    Outcomes,
    SigningSecret,
    TopicName,
    unique,
)
from relay.core.callbacks import CALLBACK

RETRY_SCHEDULE_SECONDS = (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)

# Beside those that `Headers` refuses everywhere
OWN_HEADERS = frozenset({"accept-encoding", "traceparent", "user-agent"})

RetryDelay = Annotated[float, Field(ge=0, le=604_800)]
SigningSecrets = Annotated[Listed[SigningSecret], Field(min_length=1, max_length=10)]


class _Sink(Section):
    """`outcomes` None: whatever the outcome, also events that have none yet. `accounts`: patterns as of fnmatch."""

    name: Name
    events: Events = TERMINAL_EVENTS
    outcomes: Outcomes | None = None
    accounts: Annotated[Listed[NamePattern], Field(min_length=1, max_length=1000)] = ("*",)

    def rules(self) -> Iterable[Fault]:
        if self.name == CALLBACK:
            yield Fault(path=("name",), text=f"{CALLBACK} is reserved; choose another name")


class LogSink(_Sink):
    kind: Literal["log"]


class WebhookSink(_Sink):
    """`secrets`: each one signs, so receivers can change from one to the next. `rate_per_second` None: no limit."""

    kind: Literal["webhook"]
    url: WebhookUrl
    secrets: SigningSecrets
    allow_http: bool = False
    allow_private: bool = False
    timeout_seconds: Annotated[float, Field(gt=0, le=120)] = 15
    concurrency: Annotated[int, Field(ge=1, le=1000)] = 8
    rate_per_second: Annotated[float, Field(gt=0, le=100_000)] | None = None
    retry_schedule_seconds: Annotated[Listed[RetryDelay], Field(min_length=1, max_length=100)] = RETRY_SCHEDULE_SECONDS
    headers: Headers = Field(default_factory=dict)
    proxy: Proxy | None = None
    ca_file: FilePath | None = None
    client_cert_file: FilePath | None = None
    content_type: Literal["application/cloudevents+json", "application/json"] = "application/cloudevents+json"

    def rules(self) -> Iterable[Fault]:
        yield from super().rules()
        if not self.url.lower().startswith("https:") and not self.allow_http:
            yield Fault(path=("url",), text="must be an https URL unless allow_http is true")
        for name in self.headers:
            if name.lower() in OWN_HEADERS:
                yield Fault(path=("headers", name), text="is a header that relay sets itself")


class KafkaSink(_Sink):
    kind: Literal["kafka"]
    topic: TopicName = "relay.events"
    mode: Literal["binary", "structured"] = "binary"


Sink = Annotated[LogSink | WebhookSink | KafkaSink, Field(discriminator="kind")]
Sinks = Annotated[Listed[Sink], AfterValidator(unique("name"))]


class CallbackHost(Section):
    """`host`: in a pattern, `*` stands for any characters, dots among them."""

    host: HostPattern
    allow_http: bool = False
    allow_private: bool = False
    secrets: SigningSecrets


class Callbacks(Section):
    """The first host that fits decides."""

    allow: Annotated[Listed[CallbackHost], Field(min_length=1, max_length=100), AfterValidator(unique("host"))]
