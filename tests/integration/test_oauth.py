"""OAuth with a real `relay serve`: revoked and restored, killed at every step of a rotation; and `relay check`."""

import asyncio
import signal
import sqlite3
import stat
from contextlib import asynccontextmanager
from functools import partial

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from integration import peers
from integration.processes import Relay, serving, write_config

from relay.app.checks import Verdict
from relay.app.checks.accounts import try_account
from relay.core.tokens import TOKEN_PATH, ClientCredentials, RefreshToken, decode_record
from relay.simulator import SCENARIOS, Simulator, application, combine
from relay.simulator.routing import DEFAULT_ACCOUNT
from relay.zendesk.transport import Peer, Transport, open_session

SECRET = "cl13nt-s3cr3t"
CLIENT = {"client_id": "relay", "client_secret": SECRET}


class Account:
    """A Zendesk account that takes issued tokens only. `steps`: how far each request got; `on`: what to do at one.

    A step is reached before the reply goes out.
    """

    def __init__(self, *scenarios):
        scenario = combine(*(SCENARIOS[name] for name in ("fast", "issued-tokens", *scenarios)))
        self.simulator = Simulator(scenario=scenario, clients={"relay": SECRET})
        self.url = ""
        self.steps = []
        self.on = {}

    @property
    def tokens(self):
        return self.simulator.grants(DEFAULT_ACCOUNT)

    @property
    def rotations(self):
        return self.steps.count("rotated")

    def authorize(self):
        """A refresh token, as a person's authorization makes it."""
        return self.tokens.first_pair(0.0, self.simulator.scenario.oauth)["refresh_token"]

    def secrets(self):
        return [SECRET, *self.tokens._access, *self.tokens._refresh]

    def section(self, **auth):
        return {
            "name": "acme",
            "base_url": self.url,
            "allow_http": True,
            "auth": auth | CLIENT,
            "rate": {"max_requests_per_minute": 600, "reserve": 0, "share": 1},
        }

    @web.middleware
    async def watch(self, request, handler):
        if request.path.startswith("/simulator/"):
            return await handler(request)
        before, after = ("asked", "rotated") if request.path == TOKEN_PATH else ("used", "served")
        await self._reach(before)
        response = await handler(request)
        if response.status == 200:
            await self._reach(after)
        return response

    async def _reach(self, step):
        self.steps.append(step)
        if step in self.on:
            await self.on.pop(step)()


@asynccontextmanager
async def zendesk(*scenarios):
    account = Account(*scenarios)
    app = application(account.simulator)
    app.middlewares.append(account.watch)
    async with TestServer(app) as server:
        account.url = str(server.make_url("")).rstrip("/")
        yield account


async def start_job(account, relay, session, **wish):
    """A job that runs for a while, tracked; its id."""
    async with session.post(f"{account.url}/simulator/jobs", json={"work_seconds": 1.0, **wish}) as answer:
        status = (await answer.json())["job_statuses"][0]
    account.steps.clear()
    await peers.submit(session, lambda: relay.url, {"job_status": status})
    return status["id"]


async def ended(relay, session, job_id):
    """Wait for the job's end."""
    async with session.get(f"{relay.url}/v1/jobs/acme/{job_id}", params={"wait": "20"}) as answer:
        assert (await answer.json())["state"] == "completed"


def assert_nothing_given_away(account, *relays):
    text = "".join(relay.stderr + repr(relay.log) for relay in relays)
    assert not [secret for secret in account.secrets() if secret in text]


def recorded(folder):
    """The pair in the ledger of a relay that has ended."""
    with sqlite3.connect(folder / "relay.db") as ledger:
        rows = ledger.execute("SELECT value FROM marks WHERE name = 'token:acme'").fetchall()
    ledger.close()
    return decode_record(rows[0][0]) if rows else None


async def test_a_client_that_is_revoked_pauses_its_account_and_resumes_by_itself(tmp_path):
    """Said once in the log, in the metrics while it lasts; a token that just dies is not worth a word."""
    async with zendesk() as account, peers.client() as session:
        section = account.section(kind="oauth_client_credentials", scope="read")
        async with serving(write_config(tmp_path, accounts=[section])) as relay:
            await ended(relay, session, await start_job(account, relay, session))
            account.tokens.expire()
            await ended(relay, session, await start_job(account, relay, session))
            assert not list(relay.complaints())
            account.tokens.revoked = True
            job_id = await start_job(account, relay, session)
            await relay.logged("account.paused")
            samples = await peers.metrics(session, relay.url)
            assert samples["relay_account_paused"] == [({"account": "acme", "reason": "unauthorized"}, 1.0)]
            outcomes = {labels["outcome"] for labels, _ in samples["relay_zendesk_requests_total"]}
            assert outcomes == {"ok", "unauthorized"}
            account.tokens.revoked = False
            await relay.logged("account.resumed", seconds=20)
            await ended(relay, session, job_id)
            assert "relay_account_paused" not in await peers.metrics(session, relay.url)
        (paused,) = [entry for entry in relay.log if entry["event"] == "account.paused"]
        assert paused["reason"] == "unauthorized"
        assert "check client_id and client_secret" in paused["detail"]
    assert_nothing_given_away(account, relay)


async def killed_at(account, config, step, session):
    """A relay that is killed as soon as its first token request gets so far; the job that it tracked."""
    relay = await Relay.start(config)
    try:
        await relay.ready()

        async def kill():
            relay.signal(signal.SIGKILL)
            await relay.process.wait()

        account.on[step] = kill
        job_id = await start_job(account, relay, session)
        assert await relay.ended() == -signal.SIGKILL
    finally:
        await relay.kill()
    return relay, job_id


@pytest.mark.parametrize(
    ("step", "rotations"),
    [
        pytest.param("asked", 1, id="before Zendesk rotates"),
        pytest.param("used", 0, id="when the new token is used first"),
        pytest.param("served", 0, id="after the first reply to it"),
    ],
)
async def test_a_kill_at_any_other_step_loses_no_pair_and_wastes_none(tmp_path, step, rotations):
    async with zendesk() as account, peers.client() as session:
        section = account.section(kind="oauth_refresh_token", refresh_token=account.authorize())
        config = write_config(tmp_path, accounts=[section])
        killed, job_id = await killed_at(account, config, step, session)
        pair = recorded(tmp_path)
        if step == "asked":
            assert pair is None
        else:
            assert account.tokens._refresh[pair.refresh_token] == pair.access_token, "durable before it is used"
        account.steps.clear()
        async with serving(config) as relay:
            await ended(relay, session, job_id)
        assert account.rotations == rotations
        assert not list(relay.complaints())
        assert stat.S_IMODE((tmp_path / "relay.db").stat().st_mode) == 0o600
    assert_nothing_given_away(account, killed, relay)


async def test_a_kill_between_rotation_and_reply_is_told_and_a_new_refresh_token_cures_it(tmp_path):
    """Nobody knows the new pair then, and the old one is dead."""
    async with zendesk() as account, peers.client() as session:
        section = account.section(kind="oauth_refresh_token", refresh_token=account.authorize())
        config = write_config(tmp_path, accounts=[section])
        killed, job_id = await killed_at(account, config, "rotated", session)
        async with serving(config) as paused:
            await paused.logged("account.paused")
        (said,) = [entry for entry in paused.log if entry["event"] == "account.paused"]
        assert said["reason"] == "unauthorized"
        assert said["detail"].endswith("the refresh token is used up, expired or revoked: configure a new one")
        section["auth"]["refresh_token"] = account.authorize()
        async with serving(write_config(tmp_path, accounts=[section])) as relay:
            await ended(relay, session, job_id)
    assert_nothing_given_away(account, killed, paused, relay)


@pytest.mark.timeout(180)
async def test_kills_right_after_a_rotation_leave_a_pair_that_works_or_are_cured_by_a_new_one(tmp_path):
    """Eight lives that begin with a token that has died, each killed a little later after Zendesk's rotation."""
    async with zendesk() as account, peers.client() as session:
        section = account.section(kind="oauth_refresh_token", refresh_token=account.authorize())
        async with serving(write_config(tmp_path, accounts=[section])) as relay:
            await start_job(account, relay, session, fate="stuck")
        kept, relays = 0, [relay]
        for number in range(8):
            account.tokens.expire()
            rotated = asyncio.Event()
            account.on["rotated"] = partial(signalled, rotated)
            relays.append(await Relay.start(write_config(tmp_path, accounts=[section])))
            try:
                async with asyncio.timeout(20):
                    await rotated.wait()
                await asyncio.sleep(0.002 * number)
            finally:
                await relays[-1].kill()
            works = account.tokens._refresh.get(newest(tmp_path, section)) is not None
            kept += works
            section["auth"]["refresh_token"] = section["auth"]["refresh_token"] if works else account.authorize()
        assert kept
        async with serving(write_config(tmp_path, accounts=[section])) as relay:
            await ended(relay, session, await start_job(account, relay, session))
        assert not list(relay.complaints())
    assert_nothing_given_away(account, relay, *relays)


async def signalled(event):
    event.set()


def newest(folder, section):
    """The refresh token that the next relay will send."""
    pair = recorded(folder)
    configured = RefreshToken(**CLIENT, refresh_token=section["auth"]["refresh_token"])
    if pair is None or pair.descends_from != configured.fingerprint:
        return configured.refresh_token
    return pair.refresh_token


async def test_a_drain_in_mid_rotation_records_the_pair(tmp_path):
    """SIGTERM is no crash: the reply is awaited, since it holds the only token that works."""
    async with zendesk() as account, peers.client() as session:
        section = account.section(kind="oauth_refresh_token", refresh_token=account.authorize())
        config = write_config(tmp_path, accounts=[section])
        async with serving(config) as relay:

            async def terminate():
                relay.signal(signal.SIGTERM)
                await relay.logged("service.draining")
                await asyncio.sleep(0.5)

            account.on["rotated"] = terminate
            job_id = await start_job(account, relay, session)
            assert await relay.ended() == 0
        pair = recorded(tmp_path)
        assert account.tokens._refresh[pair.refresh_token] == pair.access_token
        account.steps.clear()
        async with serving(config) as again:
            await ended(again, session, job_id)
        assert account.rotations == 0
    assert_nothing_given_away(account, relay, again)


async def checked(account, grant):
    """What `relay check` finds, without and with the client being revoked."""
    async with open_session() as http:
        transport = Transport(Peer(base_url=account.url), http)
        good = await try_account("acme", Peer(base_url=account.url), transport, grant)
        account.tokens.revoked = True
        return good, await try_account("acme", Peer(base_url=account.url), transport, grant)


async def test_a_check_signs_in_with_client_credentials():
    async with zendesk() as account:
        good, revoked = await checked(account, ClientCredentials(**CLIENT))
    assert good.verdict is Verdict.OK
    assert account.steps == ["asked", "rotated", "used", "served", "asked"]
    assert revoked.verdict is Verdict.FAILED
    assert revoked.detail.startswith("unauthorized: /oauth/tokens: HTTP 401; invalid_client")
    assert SECRET not in repr([good, revoked])


async def test_a_check_does_not_use_up_a_refresh_token():
    """A relay that runs would lose its own."""
    async with zendesk() as account:
        good, _ = await checked(account, RefreshToken(**CLIENT, refresh_token=account.authorize()))
    assert good.verdict is Verdict.OK
    assert "is not tried" in good.detail
    assert "asked" not in account.steps
