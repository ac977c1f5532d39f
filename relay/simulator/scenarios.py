"""The scenarios by name, as the command line knows them. Each is a value like any other: combine, or make your own."""

from collections.abc import Mapping
from types import MappingProxyType

from relay.simulator.denials import DeadSubdomain, Denied, Forbidden, RevokedClient, Unauthorized
from relay.simulator.faults import Cut, Delays, Drips, Maintenance, Resets, ServerErrors, Truncations, Window
from relay.simulator.forms import Forms, JobTypes, Listed
from relay.simulator.headers import Case, RateHeaders, Spelling
from relay.simulator.oauth import OAuth
from relay.simulator.plan import Fate
from relay.simulator.scenario import Listing, LookUps, Memory, Order, Pace, Scenario
from relay.simulator.tenants import Tenants
from relay.simulator.throttling import Body, RetryAfter, Throttling

_DEMO = ((Fate.SUCCEEDED, 14), (Fate.PARTIALLY_FAILED, 3), (Fate.FAILED, 2), (Fate.ALL_FAILED, 1))
_MIXED = (
    (Fate.SUCCEEDED, 50),
    (Fate.PARTIALLY_FAILED, 15),
    (Fate.MOSTLY_FAILED, 3),
    (Fate.ALL_FAILED, 8),
    (Fate.FAILED, 14),
    (Fate.KILLED, 8),
    (Fate.STUCK, 2),
)
_SOON = Window(after_seconds=5.0, for_seconds=10.0)
_A_WHILE = Window(after_seconds=5.0, for_seconds=120.0)


def _limited(bodies: tuple[Body, ...], about: str) -> Scenario:
    return Scenario(about=about, throttling=Throttling(probability=0.3, bodies=bodies))


def _told_to_wait(retry_after: RetryAfter, about: str) -> Scenario:
    throttling = Throttling(probability=0.2, seconds=(1, 20), bodies=tuple(Body), retry_after=(retry_after,))
    return Scenario(about=about, throttling=throttling)


def _told_by(about: str, *spellings: Spelling) -> Scenario:
    return Scenario(about=about, rate_headers=RateHeaders(spellings=spellings))


_JOBS = {
    "calm": Scenario(about="every job succeeds, after 3 to 20 seconds (the default)"),
    "demo": Scenario(about="most jobs succeed, some partly, a few fail", fates=_DEMO),
    "mixed": Scenario(about="every fate a job can have, killed and stuck included", fates=_MIXED),
    "mostly-errors": Scenario(
        about="jobs complete with all items failed but one, or all of them",
        fates=((Fate.MOSTLY_FAILED, 3), (Fate.ALL_FAILED, 1)),
    ),
    "failing": Scenario(about="every job fails", fates=((Fate.FAILED, 1),)),
    "killed": Scenario(about="every second job is killed", fates=((Fate.KILLED, 1), (Fate.SUCCEEDED, 1))),
    "stuck": Scenario(about="a third of the jobs never end", fates=((Fate.STUCK, 1), (Fate.SUCCEEDED, 2))),
    "fast": Scenario(
        about="jobs end within a second; no limits worth mentioning",
        pace=Pace(queue_seconds=(0.0, 0.3), work_seconds=(0.1, 0.6)),
        requests_per_minute=100_000,
        job_limit=None,
    ),
    "slow": Scenario(
        about="jobs take minutes", pace=Pace(queue_seconds=(10.0, 120.0), work_seconds=(60.0, 900.0), jump=0.1)
    ),
    "jumpy": Scenario(about="jobs go from queued to their end and are never seen working", pace=Pace(jump=1.0)),
    "stalling": Scenario(about="progress stands still for minutes, then goes on", pace=Pace(jump=0.0, stall=0.7)),
}

_STATUSES = {
    "bare-ids": Scenario(about="ids are bare hex, as in the documents, without V3-", forms=Forms(bare_ids=True)),
    "null-totals": Scenario(about="total is null while a job is queued", forms=Forms(total_while_queued=False)),
    "sparse": Scenario(about="statuses lack fields; some have only id and status", forms=Forms(sparse=0.6)),
    "typed": Scenario(about="job_type always says what is done", forms=Forms(job_types=(JobTypes.OWN,))),
    "untyped": Scenario(about="no job_type at all", forms=Forms(job_types=(JobTypes.ABSENT,))),
    "mistyped": Scenario(
        about="job_type says something else than what is done", forms=Forms(job_types=(JobTypes.MISLEADING,))
    ),
    "old-dates": Scenario(about="Completed at Fri Apr 13 02:51:53 +0000 2012", forms=Forms(old_dates=1.0)),
    "strange-words": Scenario(about="status words that no document knows", forms=Forms(strange=0.7)),
    "all-shapes": Scenario(
        about="results in every shape that was seen", fates=_MIXED, forms=Forms(results=tuple(Listed))
    ),
    "errors-only": Scenario(
        about="results list only what failed, so nothing where all went well",
        fates=_MIXED,
        forms=Forms(results=(Listed.ERRORS,)),
    ),
    "success-objects": Scenario(
        about="results are {success}, total and progress stay null", fates=_MIXED, forms=Forms(results=(Listed.OBJECT,))
    ),
}

_MEMORY = {
    "forgetful": Scenario(
        about="fresh jobs answer 404 for a while, some vanish for good",
        memory=Memory(hidden=0.5, hidden_seconds=(0.5, 5.0), vanishing=0.05),
    ),
    "fresh-404": Scenario(
        about="look-ups find no job in its first seconds", memory=Memory(hidden=1.0, hidden_seconds=(1.0, 15.0))
    ),
    "vanishing": Scenario(about="a quarter of the jobs vanish before they end", memory=Memory(vanishing=0.25)),
    "short-memory": Scenario(
        about="jobs are forgotten after an hour, as older documents say", memory=Memory(kept_seconds=3_600.0)
    ),
    "flickering": Scenario(about="every fifth look-up misses a job that is there", memory=Memory(flicker=0.2)),
    "unlisted": Scenario(about="the list misses fresh jobs that look-ups find", memory=Memory(unlisted=0.7)),
    "stale-list": Scenario(about="the list shows what was so 20 seconds ago", memory=Memory(list_lag_seconds=20.0)),
    "stale-show": Scenario(
        about="look-ups of one job show what was so 20 seconds ago", memory=Memory(show_lag_seconds=20.0)
    ),
    "stale-show-many": Scenario(
        about="look-ups of many jobs show what was so 20 seconds ago", memory=Memory(show_many_lag_seconds=20.0)
    ),
}

_LOOK_UPS = {
    "unknown-404": Scenario(
        about="show_many answers 404 if it knows one id not", look_ups=LookUps(refuse_unknown=True)
    ),
    "repeating": Scenario(about="show_many repeats an id that is named twice", look_ups=LookUps(repeat=True)),
    "in-order": Scenario(about="show_many answers in the order asked for", look_ups=LookUps(shuffle=False)),
    "counted": Scenario(about="show_many has a count beside its statuses", look_ups=LookUps(count=True)),
    "small-batches": Scenario(about="show_many takes 10 ids at most", look_ups=LookUps(ids_max=10)),
    "small-batches-mute": Scenario(
        about="show_many takes 10 ids at most and does not say so", look_ups=LookUps(ids_max=10, ids_max_told=False)
    ),
    "short-urls": Scenario(about="urls over 600 bytes answer 414", look_ups=LookUps(target_bytes_max=600)),
    "poison": Scenario(
        about="every twelfth job gets each show_many refused that names it", look_ups=LookUps(poison=0.08)
    ),
    "poison-500": Scenario(
        about="every twelfth job breaks each show_many that names it: 500",
        look_ups=LookUps(poison=0.08, poison_status=500),
    ),
    "poison-403": Scenario(
        about="every twelfth job gets each show_many that names it a 403",
        look_ups=LookUps(poison=0.08, poison_status=403),
    ),
    "unspeakable": Scenario(
        about="every twelfth job breaks whatever names it, show included: 500",
        look_ups=LookUps(poison=0.08, poison_status=500, unspeakable=True),
    ),
    "foreign": Scenario(about="replies hold jobs that nobody asked for", look_ups=LookUps(foreign=0.3)),
    "bare-object": Scenario(about="show answers with the bare object", look_ups=LookUps(bare=True)),
    "running-first": Scenario(about="the list has unfinished jobs first", listing=Listing(order=Order.RUNNING_FIRST)),
    "by-creation": Scenario(about="the list goes by creation alone", listing=Listing(order=Order.CREATION)),
    "last-hundred": Scenario(about="the list ends after a hundred jobs", listing=Listing(jobs_max=100)),
}

_LIMITS = {
    "busy": Scenario(
        about="other integrations use up most of the rate limit",
        requests_per_minute=200,
        tenants=Tenants(requests_per_minute=180),
    ),
    "crowded": Scenario(
        about="other integrations want more than there is, some minutes",
        requests_per_minute=400,
        tenants=Tenants(requests_per_minute=360, spread=0.3, within_seconds=45.0),
    ),
    "ten-a-minute": Scenario(about="ten requests a minute in all, as the smallest plan has it", requests_per_minute=10),
    "few-jobs": Scenario(about="the fourth job at a time is refused: TooManyJobs", job_limit=3),
    "headers-x": _told_by("the limit in X-Rate-Limit headers, without a reset", Spelling.X_RATE_LIMIT),
    "headers-2023": _told_by("the limit in rate-limit headers", Spelling.RATE_LIMIT),
    "headers-2024": _told_by("the limit in ratelimit headers", Spelling.RATELIMIT),
    "headers-buckets": _told_by(
        "headers speak of an endpoint's bucket only", Spelling.BUCKET, Spelling.BUCKET_HYPHENED
    ),
    "headers-all": _told_by("the limit in every spelling at once", *Spelling),
    "headers-none": Scenario(about="no word on the limit", rate_headers=RateHeaders(kept=0.0)),
    "headers-some": Scenario(
        about="each reply has other ones of the headers", rate_headers=RateHeaders(spellings=tuple(Spelling), kept=0.4)
    ),
    "headers-lower": Scenario(about="header names in lower case", rate_headers=RateHeaders(case=Case.LOWER)),
    "headers-upper": Scenario(about="header names in upper case", rate_headers=RateHeaders(case=Case.UPPER)),
    "limited": _limited(tuple(Body), "429 at every third look, with Retry-After"),
    "limited-text": _limited((Body.TEXT,), "429 at every third look, as text"),
    "limited-html": _limited((Body.HTML,), "429 at every third look, as HTML"),
    "limited-json": _limited((Body.JSON,), "429 at every third look, as JSON"),
    "limited-edge": _limited((Body.EDGE,), "429 at every third look, as the edge words it"),
    "retry-absent": _told_to_wait(RetryAfter.ABSENT, "429 without Retry-After"),
    "retry-broken": _told_to_wait(RetryAfter.BROKEN, "429 with Retry-After: 2.0"),
    "retry-date": _told_to_wait(RetryAfter.DATE, "429 with Retry-After as a date"),
    "retry-zero": _told_to_wait(RetryAfter.ZERO, "429 with Retry-After: 0"),
    "retry-huge": Scenario(
        about="429 for two hours, now and then",
        throttling=Throttling(probability=0.02, bodies=tuple(Body), retry_after=(RetryAfter.HUGE,)),
    ),
}

_OUTAGES = {
    "flaky": Scenario(
        about="5xx, resets, broken bodies, delays",
        faults=(
            ServerErrors(probability=0.15),
            Resets(probability=0.08),
            Truncations(probability=0.1),
            Delays(probability=0.1, seconds=(0.1, 0.5)),
        ),
    ),
    "server-errors": Scenario(
        about="HTML pages with 500, 502, 520, 524",
        faults=(ServerErrors(probability=0.4, statuses=(500, 502, 520, 524)),),
    ),
    "unavailable": Scenario(
        about="503 with Retry-After", faults=(ServerErrors(probability=0.4, statuses=(503,), hints=1.0),)
    ),
    "unavailable-mute": Scenario(
        about="503 without Retry-After", faults=(ServerErrors(probability=0.4, statuses=(503,), hints=0.0),)
    ),
    "maintenance": Scenario(
        about="503 for 30 seconds of every two minutes",
        faults=(Maintenance(window=Window(after_seconds=5.0, for_seconds=30.0, every_seconds=120.0)),),
    ),
    "resets": Scenario(about="connections are reset before an answer", faults=(Resets(probability=0.4),)),
    "truncated": Scenario(
        about="bodies that stop in the middle", faults=(Truncations(probability=0.4, cuts=(Cut.HALF, Cut.BROKEN)),)
    ),
    "empty": Scenario(about="200 with an empty body", faults=(Truncations(probability=0.4, cuts=(Cut.NOTHING,)),)),
    "blank": Scenario(
        about="for two minutes every answer is 200 with nothing or half of it",
        faults=(Truncations(probability=1.0, cuts=(Cut.NOTHING, Cut.HALF), window=_A_WHILE),),
    ),
    "delayed": Scenario(about="answers that come seconds late", faults=(Delays(probability=0.4, seconds=(1.0, 8.0)),)),
    "dripping": Scenario(
        about="bodies that trickle in, some for a minute", faults=(Drips(probability=0.3, seconds=(1.0, 60.0)),)
    ),
}

_ACCESS = {
    "unauthorized": Scenario(about="401 for ten seconds, soon after the start", faults=(Unauthorized(window=_SOON),)),
    "forbidden-scope": Scenario(
        about="403 for two minutes: a missing scope", faults=(Denied(window=_A_WHILE, text=Forbidden.SCOPE),)
    ),
    "forbidden-page": Scenario(
        about="403 for two minutes: no access to this page", faults=(Denied(window=_A_WHILE, text=Forbidden.PAGE),)
    ),
    "dead-subdomain": Scenario(
        about="404 as text for two minutes: no such help desk", faults=(DeadSubdomain(window=_A_WHILE),)
    ),
    "revoked-client": Scenario(
        about="the OAuth client is revoked for two minutes", faults=(RevokedClient(window=_A_WHILE),)
    ),
    "expiring-tokens": Scenario(about="issued tokens die after 20 to 90 seconds", oauth=OAuth(dies_after=(20.0, 90.0))),
    "lost-rotation": Scenario(
        about="the second use of a refresh token is not answered: its pair is lost", oauth=OAuth(lost_rotation=2)
    ),
    "issued-tokens": Scenario(about="only tokens from /oauth/tokens are accepted", oauth=OAuth(issued_only=True)),
}

SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    _JOBS | _STATUSES | _MEMORY | _LOOK_UPS | _LIMITS | _OUTAGES | _ACCESS
)
