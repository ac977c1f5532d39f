"""What a person does about sinks and deliveries at a real relay, by its API, and what the receiver sees of it."""

from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from integration import peers
from integration.peers import Receiver, Zendesk
from integration.processes import Relay, serving, until, write_config


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    session: aiohttp.ClientSession
    relay: Relay
    zendesk: Zendesk
    receiver: Receiver

    async def call(self, method, path, body=None, expected=200):
        async with self.session.request(method, f"{self.relay.url}{path}", json=body) as response:
            assert response.status == expected, await response.text()
            return await response.json()

    async def sink(self, name="orders"):
        (standing,) = [one for one in (await self.call("GET", "/v1/sinks"))["sinks"] if one["name"] == name]
        return standing

    async def dead(self):
        return (await self.call("GET", "/v1/deliveries?state=dead&sink=orders"))["deliveries"]

    async def end_jobs(self, count):
        """So many jobs that have ended, also for relay; their ids."""
        statuses = await self.zendesk.start_jobs(self.session, count, fate="succeeded", work_seconds=0.1)
        body = {"jobs": [{"job_status": each} for each in statuses]}
        for job in await peers.submit(self.session, lambda: self.relay.url, body):
            assert (await self.call("GET", f"{job['href']}?wait=30"))["terminal"]
        return {status["id"] for status in statuses}

    async def told(self, ids):
        await until(lambda: ids <= self.receiver.ended(), 10, "not all is delivered")

    async def becomes(self, ask, expected):
        async def is_so():
            return await ask() == expected

        await until(is_so, 10, f"it does not become {expected}")

    async def state(self):
        return (await self.sink())["state"]

    async def count_dead(self):
        return (await self.sink())["dead"]


@asynccontextmanager
async def scene(tmp_path, **sink):
    """How to start a relay with a sink `orders`, which knows what the one before it has recorded."""
    async with peers.zendesk("acme", "fast") as zendesk, peers.receiver() as receiver, peers.client() as session:
        write_config(
            tmp_path,
            accounts=[zendesk.section(requests_per_minute=600, fresh_within_seconds=0.05)],
            sinks=[receiver.section("orders", **sink)],
        )

        @asynccontextmanager
        async def running():
            async with serving(tmp_path / "config.yaml") as relay:
                yield Scene(session=session, relay=relay, zendesk=zendesk, receiver=receiver)

        yield running


async def refuse(_):
    return 400


async def gone(_):
    return 410


async def test_a_paused_sink_waits_also_after_a_restart_until_it_is_resumed(tmp_path):
    async with scene(tmp_path) as running:
        async with running() as at:
            for _ in range(2):
                assert (await at.call("POST", "/v1/sinks/orders/pause"))["state"] == "paused"
            ids = await at.end_jobs(3)
            standing = await at.sink()
            assert (standing["pending"], standing["state"]) == (3, "paused")
            assert standing["oldest_pending_since"] > standing["since"]
            pending = (await at.call("GET", "/v1/deliveries?state=pending"))["deliveries"]
            assert {one["job_id"] for one in pending} == ids
        async with running() as at:
            assert await at.state() == "paused"
            assert at.receiver.got == []
            for _ in range(2):
                assert (await at.call("POST", "/v1/sinks/orders/resume"))["state"] == "active"
            await at.told(ids)


async def test_a_receiver_that_is_gone_is_left_alone_until_it_is_resumed(tmp_path):
    async with scene(tmp_path) as running, running() as at:
        at.receiver.answer = gone
        ids = await at.end_jobs(2)
        await at.becomes(at.state, "disabled")
        assert "410" in (await at.sink())["error"]
        at.receiver.answer = peers.take
        heard = len(at.receiver.got)
        ids |= await at.end_jobs(1)
        assert len(at.receiver.got) == heard
        assert (await at.call("POST", "/v1/sinks/orders/resume"))["state"] == "active"
        await at.told(ids)


async def test_a_signed_test_event_is_sent_once_and_told_how_it_went(tmp_path):
    async with scene(tmp_path) as running, running() as at:
        assert (await at.call("POST", "/v1/sinks/orders/test"))["delivered"] is True
        (message,) = at.receiver.got
        assert message.event["type"] == "relay.test"
        assert at.receiver.forged == []
        at.receiver.answer = refuse
        answer = await at.call("POST", "/v1/sinks/orders/test")
        assert (answer["delivered"], "400" in answer["detail"]) == (False, True)
        assert len(at.receiver.got) == 2
        await at.call("POST", "/v1/sinks/nope/test", expected=404)


async def test_dead_letters_are_sent_again_one_by_one_or_between_two_times(tmp_path):
    async with scene(tmp_path, retry_schedule_seconds=[0]) as running, running() as at:
        at.receiver.answer = refuse
        ids = await at.end_jobs(4)
        await at.becomes(at.count_dead, 4)
        at.receiver.answer = peers.take
        first, *others = await at.dead()
        assert first["event"]["type"] == "zendesk.job.completed"
        assert first["attempts"] == 1
        retried = await at.call("POST", f"/v1/deliveries/{first['id']}/retry", expected=202)
        await at.told({first["job_id"]})
        (shown,) = (await at.call("GET", retried["href"]))["deliveries"]
        assert (shown["id"], shown["sink"]) == (first["id"], "orders")
        span = {"since": min(one["since"] for one in others)}
        assert await at.call("POST", "/v1/sinks/orders/recover", span | {"until": span["since"]}, 422)
        assert await at.call(
            "POST", "/v1/sinks/orders/recover", {"since": "2000-01-01T00:00:00Z", "until": "2001-01-01T00:00:00Z"}
        ) == {"recovered": 0}
        assert await at.call("POST", "/v1/sinks/orders/recover", span) == {"recovered": 3}
        await at.told(ids)
        await at.becomes(at.count_dead, 0)
        assert await at.dead() == []
