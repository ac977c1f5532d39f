"""The calls about jobs: authorise, read the request, ask the owner of the jobs, answer."""

from collections.abc import Callable, Sequence
from functools import partial

from aiohttp import hdrs, web

from relay.core.callbacks import CallbacksFull
from relay.core.job import DELETED, Cursor, Job, JobKey, TrackRequest
from relay.core.record import JobView
from relay.intake import Jobs, Observer, bodies, queries, views
from relay.intake.access import Access
from relay.intake.gate import Gate, Submission
from relay.intake.keys import Caller, Scope
from relay.intake.opaque import write_jobs_cursor
from relay.intake.problems import Code, Problem
from relay.intake.receiving import body_of, traceparent_of

JSON = {hdrs.CONTENT_TYPE: "application/json"}
JSON_NOW = {**JSON, hdrs.CACHE_CONTROL: "no-store"}
SOURCE = "http"


class JobCalls:
    """`monotonic`: seconds from any origin, to tell how long an acknowledgement took."""

    def __init__(
        self, *, jobs: Jobs, access: Access, gate: Gate, observer: Observer, monotonic: Callable[[], float]
    ) -> None:
        self._access = access
        self._jobs = jobs
        self._gate = gate
        self._observer = observer
        self._monotonic = monotonic

    async def submit(self, request: web.Request) -> web.Response:
        """POST /v1/jobs: acknowledged when durable."""
        started = self._monotonic()
        caller = self._access.caller(request, Scope.SUBMIT)
        with Submission(self._gate) as submission:
            raw = await body_of(request, submission, self._gate.bounds)
            wanted = self._parse(raw, caller, traceparent_of(request))
            created = await self._track(wanted, raw)
        self._count(created)
        self._observer.intake_ack(self._monotonic() - started)
        return web.Response(status=202, body=bodies.submitted(wanted, created), headers=JSON)

    def _parse(self, raw: bytes, caller: Caller, traceparent: str | None) -> Sequence[TrackRequest]:
        resolve = partial(self._access.directory.resolve, caller)
        try:
            return bodies.parse(raw, resolve=resolve, callbacks=self._access.callbacks, traceparent=traceparent)
        except Problem as problem:
            self._count_refused(problem)
            raise

    async def _track(self, wanted: Sequence[TrackRequest], raw: bytes) -> Sequence[bool]:
        """`raw`: the body that holds what is wanted."""
        try:
            return await self._jobs.track(wanted)
        except CallbacksFull as full:
            problem = bodies.too_many_callbacks(raw, full)
            self._count_refused(problem)
            raise problem from None

    def _count_refused(self, problem: Problem) -> None:
        bad = {fault.index for fault in problem.faults}
        self._observer.intake_jobs(SOURCE, "refused", max(1, len(bad)))

    def _count(self, created: Sequence[bool]) -> None:
        new = sum(created)
        if new:
            self._observer.intake_jobs(SOURCE, "created", new)
        if new < len(created):
            self._observer.intake_jobs(SOURCE, "exists", len(created) - new)

    async def read(self, request: web.Request) -> web.Response:
        """GET /v1/jobs/{account}/{id}: at once, or when the job ends."""
        caller = self._access.caller(request, Scope.READ)
        key = _key(request, caller)
        query = queries.read(queries.ReadQuery, request.query.items())
        view = await self._known(key)
        if query.wait and not view.job.terminal:
            await self._gate.wait(partial(self._jobs.wait, key), query.wait)
            view = await self._known(key)
        return web.Response(body=views.details(view), headers=JSON_NOW)

    async def _known(self, key: JobKey) -> JobView:
        view = await self._jobs.read(key)
        if view is None or view.job.state == DELETED:
            raise _no_such_job()
        return view

    async def list(self, request: web.Request) -> web.Response:
        """GET /v1/jobs: one page."""
        caller = self._access.caller(request, Scope.READ)
        query = queries.read(queries.ListQuery, request.query.items())
        jobs = await self._jobs.page(
            accounts=self._access.accounts(caller, query.account),
            state=query.state,
            after=query.cursor,
            limit=query.limit + 1,  # one more than shown tells whether there is a next page
        )
        shown = jobs[: query.limit]
        cursor = write_jobs_cursor(_end(shown)) if len(jobs) > len(shown) else None
        return web.Response(body=views.page(shown, cursor), headers=JSON_NOW)

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE /v1/jobs/{account}/{id}: stop tracking."""
        caller = self._access.caller(request, Scope.ADMIN)
        key = _key(request, caller)
        self._gate.check_open()
        if not await self._jobs.untrack(key):
            raise _no_such_job()
        return web.Response(status=204)


def _key(request: web.Request, caller: Caller) -> JobKey:
    account, job_id = request.match_info["account"], request.match_info["id"]
    if not caller.sees(account):
        raise _no_such_job()
    return JobKey(account, job_id)


def _no_such_job() -> Problem:
    return Problem(404, Code.NOT_FOUND, "no such job; it may never have been tracked here, or be forgotten by now")


def _end(jobs: Sequence[Job]) -> Cursor:
    last = jobs[-1]
    return Cursor(tracked_at=last.tracked_at, account=last.account, id=last.id)
