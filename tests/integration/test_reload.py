"""A relay that runs, while the files of its configuration change under it."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
import standardwebhooks
from integration import peers
from integration.peers import Zendesk
from integration.processes import Relay, serving, until, write_config

SECONDS = 15.0  # in which a change must show; a second or two are usual
KEYS = ("0123456789abcdef", "fedcba9876543210")
SECRET = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


@pytest.fixture
async def session():
    async with peers.client() as session:
        yield session


@pytest.fixture
async def acme():
    async with peers.zendesk("acme", "fast") as account:
        yield account


@pytest.fixture
async def globex():
    async with peers.zendesk("globex", "fast", token="new") as account:
        yield account


@pytest.fixture
async def receiver():
    async with peers.receiver() as receiver:
        yield receiver


class Folder:
    """The folder of account files of a relay whose own configuration has the account acme."""

    def __init__(self, path: Path) -> None:
        self.path = path / "accounts"
        self.path.mkdir()

    def put(self, name: str, *sections: object) -> None:
        self.write(name, orjson.dumps(sections))

    def write(self, name: str, content: bytes) -> None:
        (self.path / name).write_bytes(content)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def config_of(folder: Folder, account: Zendesk, *sinks: object, **sections: object) -> Path:
    return write_config(
        folder.path.parent,
        accounts=[section_of(account)],
        accounts_dir=str(folder.path),
        sinks=sinks,
        log={"level": "debug"},
        **sections,
    )


def section_of(account: Zendesk, token: str = "demo", **changes: object) -> dict[str, Any]:
    section = account.section(requests_per_minute=600, fresh_within_seconds=0.2)
    return section | {"auth": {"kind": "bearer", "token": token}} | changes


async def status_of(session: aiohttp.ClientSession, relay: Relay, account: str, job_id: str) -> tuple[int, str]:
    """Hand in a job; the status, and the code of the fault if there is one."""
    async with session.post(f"{relay.url}/v1/jobs", json={"id": job_id, "account": account}) as answer:
        said = await answer.json(content_type=None)
        return answer.status, said["errors"][0]["code"] if answer.status == 422 else ""


async def standing(session: aiohttp.ClientSession, relay: Relay) -> dict[str, dict[str, Any]]:
    async with session.get(f"{relay.url}/v1/accounts") as answer:
        assert answer.status == 200
        return {account["name"]: account for account in (await answer.json())["accounts"]}


async def until_it_stands(session: aiohttp.ClientSession, relay: Relay, name: str, **fields: object) -> None:
    async def stands() -> bool:
        return fields.items() <= (await standing(session, relay)).get(name, {}).items()

    await until(stands, SECONDS, f"{name} does not stand so: {fields}", every_seconds=0.05)


async def state_of(session: aiohttp.ClientSession, relay: Relay, account: str, job_id: str, wait: int = 0) -> str:
    async with session.get(f"{relay.url}/v1/jobs/{account}/{job_id}", params={"wait": wait}) as answer:
        assert answer.status == 200
        return (await answer.json())["state"]


async def healthy(session: aiohttp.ClientSession, relay: Relay) -> tuple[float, int]:
    """What the metric says of the last reload, and whether the relay is ready."""
    ((_, value),) = (await peers.metrics(session, relay.url))["relay_config_last_reload_successful"]
    async with session.get(f"{relay.url}/readyz") as answer:
        return value, answer.status


async def test_accounts_come_break_go_and_return(tmp_path, folder, acme, globex, session):
    async with serving(config_of(folder, acme)) as relay:
        first, second = [job["id"] for job in await globex.start_jobs(session, 2, fate="succeeded", work_seconds=0.2)]
        assert await status_of(session, relay, "globex", first) == (422, "unknown_account")

        folder.put("g.yaml", section_of(globex, "new"))
        await relay.logged("config.reloaded", seconds=SECONDS)
        assert await status_of(session, relay, "globex", first) == (202, "")
        assert await state_of(session, relay, "globex", first, wait=10) == "completed"
        assert await healthy(session, relay) == (1, 200)

        folder.write("g.yaml", b"- name: globex\n  base_url: [\n")
        await relay.logged("config.reload_failed", seconds=SECONDS)
        assert await healthy(session, relay) == (0, 200)
        assert await status_of(session, relay, "globex", first) == (202, "")
        await asyncio.sleep(2.5)
        (told,) = [entry for entry in relay.log if entry["event"] == "config.reload_failed"]
        assert told["error"].startswith(f"{folder.path}/g.yaml:3:")

        (folder.path / "g.yaml").unlink()
        await relay.logged("config.recovered", seconds=SECONDS)
        assert await status_of(session, relay, "globex", second) == (422, "unknown_account")
        assert await healthy(session, relay) == (1, 200)
        assert set(await standing(session, relay)) == {"acme"}

        relay.signal(signal.SIGTERM)
        assert await relay.ended() == 0
    assert list(relay.complaints("config.reload_failed")) == []


async def test_jobs_of_an_account_that_goes_wait_and_go_on_when_it_returns(folder, acme, globex, session):
    folder.put("g.yaml", section_of(globex, "new"))
    async with serving(config_of(folder, acme)) as relay:
        (job,) = await globex.start_jobs(session, 1, fate="succeeded", work_seconds=2.0)
        assert (await status_of(session, relay, "globex", job["id"]))[0] == 202
        (folder.path / "g.yaml").unlink()
        await until_it_stands(session, relay, "globex", paused=True, reason="account_not_configured", live_jobs=1)
        paused = (await peers.metrics(session, relay.url))["relay_account_paused"]
        assert ({"account": "globex", "reason": "account_not_configured"}, 1.0) in paused
        asked = len(globex.requests)
        await asyncio.sleep(2.5)
        assert len(globex.requests) == asked
        assert await state_of(session, relay, "globex", job["id"]) != "completed"

        folder.put("again.yml", section_of(globex, "new"))
        await until_it_stands(session, relay, "globex", ceiling=600.0)
        assert await state_of(session, relay, "globex", job["id"], wait=10) == "completed"


async def test_a_token_that_is_replaced_in_its_file_lets_the_account_in_again(tmp_path, folder, acme, globex, session):
    token = tmp_path / "token"
    token.write_text("old\n")
    folder.put("g.yaml", section_of(globex, f"${{file:{token}}}"))
    async with serving(config_of(folder, acme)) as relay:
        (job,) = await globex.start_jobs(session, 1, fate="succeeded", work_seconds=0.2)
        assert (await status_of(session, relay, "globex", job["id"]))[0] == 202
        await until_it_stands(session, relay, "globex", paused=True, reason="unauthorized")

        token.unlink()
        await relay.logged("config.reload_failed", seconds=SECONDS)
        assert (await healthy(session, relay)) == (0, 200)
        token.write_text("new\n")
        await until_it_stands(session, relay, "globex", paused=False, reason=None)
        assert await state_of(session, relay, "globex", job["id"], wait=10) == "completed"
        assert "new" not in repr(relay.log)


async def test_keys_and_signing_secrets_are_replaced_in_their_files(tmp_path, folder, acme, receiver, session):
    key, secret = tmp_path / "key", tmp_path / "secret"
    key.write_text(KEYS[0])
    secret.write_text(peers.SECRET)
    sink = receiver.section("hook", secrets=[f"${{file:{secret}}}"])
    server = {"listen": "127.0.0.1:0", "api_keys": [{"name": "orders", "key": f"${{file:{key}}}"}]}
    async with serving(config_of(folder, acme, sink, server=server)) as relay:
        first, second = [job["id"] for job in await acme.start_jobs(session, 2, fate="succeeded", work_seconds=0.2)]
        assert await with_key(session, relay, KEYS[0], first) == 202
        await until(lambda: first in receiver.ended(), SECONDS, "the event has come")

        key.write_text(KEYS[1])
        secret.write_text(SECRET)
        receiver.verifier = standardwebhooks.Webhook(SECRET)
        await relay.logged("config.reloaded", seconds=SECONDS)

        async def let_in() -> bool:
            return await with_key(session, relay, KEYS[1], second) == 202

        await until(let_in, SECONDS, "the new key does not count", every_seconds=0.05)
        assert await with_key(session, relay, KEYS[0], second) == 401
        await until(lambda: second in receiver.ended(), SECONDS, "the event is signed with the new secret")


async def with_key(session: aiohttp.ClientSession, relay: Relay, key: str, job_id: str) -> int:
    headers = {"Authorization": f"Bearer {key}"}
    async with session.post(f"{relay.url}/v1/jobs", json={"id": job_id}, headers=headers) as answer:
        return answer.status


async def test_what_needs_a_restart_is_named_and_the_rest_takes_effect(folder, acme, globex, session):
    config = config_of(folder, acme)
    async with serving(config) as relay:
        changed = orjson.loads(config.read_bytes())
        changed["server"]["listen"] = "127.0.0.1:1"
        changed["retention"] = {"dead_hours": 1}
        changed["sinks"] = [{"name": "more", "kind": "log"}]
        changed["accounts"].append(section_of(globex, "new"))
        config.write_bytes(orjson.dumps(changed))
        relay.signal(signal.SIGHUP)
        await relay.logged("config.restart_needed")
        (told,) = [entry for entry in relay.log if entry["event"] == "config.restart_needed"]
        assert told["keys"] == ["server.listen", "retention", "sinks.more"]
        assert set(await standing(session, relay)) == {"acme", "globex"}
        assert await healthy(session, relay) == (1, 200)


async def test_at_the_start_a_broken_account_file_is_left_out_and_told(folder, acme, globex, session):
    folder.write("a.yaml", b"name: [")
    folder.put("g.yaml", section_of(globex, "new"))
    async with serving(config_of(folder, acme)) as relay:
        await relay.logged("config.reload_failed")
        assert set(await standing(session, relay)) == {"acme", "globex"}
        assert await healthy(session, relay) == (0, 200)
