"""docs/receiving.md: its receivers, as they stand there, take what the real sink sends.

Python's run always, Node's and Go's where these are installed. What they import is fetched once: tests/receiving.
"""

import asyncio
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer, unused_port
from cryptography.exceptions import InvalidSignature
from integration.endpoints import EVENT, SECRETS, receiver, send_to, sent, sink_to
from kept import NotFetchedError
from msgspec.structs import replace
from receiving import libraries

from relay.core.delivery import Attempt
from relay.errors import Reason

DOCUMENT = (Path(__file__).parents[2] / "docs" / "receiving.md").read_text(encoding="utf-8")
PRIVATE = "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk="
PUBLIC = "whpk_ZlN4eg7dSSqi0moX9hQUk3orrOouK3QVQSlJa248c/g="
FILES = {
    "python": ["receiver.py", "inbox.py", "public_key.py"],
    "js": ["receiver.mjs", "verified.mjs"],
    "go": ["main.go", "verified.go"],
}
PORT = "8085"  # of all examples


def examples(language):
    """Each example with the name of a file for it."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    return dict(zip(FILES[language], found, strict=True))


def event(sequence, *, tracked_at="2026-02-03T08:00:00.000Z"):
    """The job's event of that sequence, in the life that began then."""
    data = {**json.loads(EVENT.data), "tracked_at": tracked_at}
    return replace(
        EVENT,
        id=f"evt_{tracked_at}_{sequence}".replace(".", "_"),
        sequence=f"{sequence:010d}",
        data=json.dumps(data).encode(),
    )


class TestPython:
    @pytest.fixture
    def module(self, tmp_path, monkeypatch):
        """Imports an example by its name."""
        for name, text in examples("python").items():
            (tmp_path / name).write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setenv("RELAY_WEBHOOK_SECRET", SECRETS[0])
        monkeypatch.setenv("RELAY_PUBLIC_KEY", PUBLIC)
        monkeypatch.setenv("INBOX", ":memory:")
        yield importlib.import_module
        for name in FILES["python"]:
            sys.modules.pop(name.removesuffix(".py"), None)

    @pytest.fixture
    def inbox(self, module):
        with closing(module("inbox").inbox):
            yield module("inbox")

    @asynccontextmanager
    async def sink(self, module, **fields):
        async with TestServer(module("receiver").app) as server, sink_to(server.make_url("/relay"), **fields) as sink:
            yield sink

    def taken(self, inbox):
        return [(row[0], int(row[1])) for row in inbox.inbox.execute("SELECT id, sequence FROM inbox ORDER BY rowid")]

    async def test_an_event_is_verified_taken_and_worked_on(self, module, inbox, capsys):
        async with self.sink(module) as sink:
            assert await sent(sink) == Attempt()
        assert self.taken(inbox) == [(EVENT.id, int(EVENT.sequence))]
        for _ in range(2):
            inbox.work()
        assert capsys.readouterr().out == "V3-1 look into Zendesk: never_found\n"

    async def test_while_a_key_rotates_the_second_signature_will_do(self, module, inbox):
        async with self.sink(module, secrets=[PRIVATE, SECRETS[1], SECRETS[0]]) as sink:
            assert await sent(sink) == Attempt()
        assert len(self.taken(inbox)) == 1

    async def test_what_somebody_else_signed_is_refused(self, module, inbox):
        async with self.sink(module, secrets=[SECRETS[1]]) as sink:
            assert await sent(sink) == Attempt(reason=Reason.REFUSED, detail="401")
        assert self.taken(inbox) == []

    async def test_repeats_and_what_comes_late_are_dropped(self, module, inbox):
        """A job's next life begins at 1 again."""
        first, second, third = (event(sequence) for sequence in (1, 2, 3))
        again = event(1, tracked_at="2026-02-04T08:00:00.000Z")
        async with self.sink(module) as sink:
            for one in (first, first, third, second, third, again):
                assert await sent(sink, one) == Attempt()
        assert self.taken(inbox) == [(first.id, 1), (third.id, 3), (again.id, 1)]

    async def test_every_outcome_is_worked_on(self, module, inbox, capsys):
        for number, outcome in enumerate(["succeeded", "partially_failed", "failed", "unknown", None], 1):
            data = json.loads(EVENT.data) | {"outcome": outcome, "job_id": f"V3-{number}"}
            inbox.take({"id": str(number), "partitionkey": data["job_id"], "sequence": "1", "data": data})
        inbox.work()
        assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [f"V3-{n}" for n in range(1, 6)]

    async def test_a_public_key_verifies(self, module):
        verify = module("public_key").verify
        async with receiver() as (url, got):
            await send_to(url, secrets=[SECRETS[0], PRIVATE])
            await send_to(url)
        (request, body), (shared, _) = got
        assert verify(body, request.headers)["id"] == EVENT.id
        for bad in ((body + b" ", request.headers), (body, shared.headers)):
            with pytest.raises(InvalidSignature):
                verify(*bad)
        old = {**request.headers, "webhook-timestamp": "1614265330"}
        with pytest.raises(InvalidSignature):
            verify(body, {name.lower(): value for name, value in old.items()})


@pytest.fixture
def fetched(lacking):
    """Calls a function of `libraries`: its result, or the test lacks it."""

    def result(fetch):
        try:
            return fetch()
        except NotFetchedError as error:
            lacking(f"what docs/receiving.md imports cannot be fetched: {error}")

    return result


@asynccontextmanager
async def running(command, folder, port):
    """A receiver in a process of its own; yields its output once it listens."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env={**os.environ, "RELAY_WEBHOOK_SECRET": SECRETS[0]}, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(30):
            while not await listens(port):
                assert process.returncode is None
                await asyncio.sleep(0.05)
        yield process.stdout
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def listens(port):
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def holds(command, folder, port):
    """What each receiver of the document does with good and bad requests."""
    url = f"http://127.0.0.1:{port}/relay"
    async with running(command, folder, port) as output:
        assert await send_to(url, secrets=[PRIVATE, *SECRETS]) == Attempt()
        assert (await send_to(url, secrets=[PRIVATE, SECRETS[1]])).detail == "401"
        assert (await asyncio.wait_for(output.readline(), 10)).split() == [EVENT.id.encode(), b"V3-1", b"unknown"]


async def captured(folder):
    """A request with signatures of both kinds, in the files `body` and `headers.json`."""
    async with receiver() as (url, got):
        await send_to(url, secrets=[SECRETS[0], PRIVATE])
    ((request, body),) = got
    (folder / "body").write_bytes(body)
    (folder / "headers.json").write_text(json.dumps({name.lower(): value for name, value in request.headers.items()}))


class TestNode:
    VERIFIED = """
        import { readFileSync } from "node:fs";
        import { verified } from "./verified.mjs";
        const body = readFileSync("body"), headers = JSON.parse(readFileSync("headers.json"));
        const attempt = (...request) => { try { return verified(...request).id; } catch { return "refused"; } };
        console.log(JSON.stringify([
          attempt(body, headers),
          attempt(Buffer.concat([body, Buffer.from(" ")]), headers),
          attempt(body, { ...headers, "webhook-timestamp": "1614265330" }),
          attempt(body, { ...headers, "webhook-id": "evt_other" }),
          attempt(body, { ...headers, "webhook-signature": headers["webhook-signature"].split(" ")[0] }),
          attempt(body, {}),
        ]));"""

    @pytest.fixture
    def folder(self, tmp_path):
        for name, text in examples("js").items():
            (tmp_path / name).write_text(text)
        return tmp_path

    @pytest.fixture
    def node(self, require):
        return require("node")

    @pytest.fixture
    def _libraries(self, folder, node, fetched):
        (folder / "node_modules").symlink_to(fetched(libraries.node))

    @pytest.mark.usefixtures("_libraries")
    async def test_the_receiver_takes_what_is_signed_and_refuses_the_rest(self, folder, node):
        port = at_free_port(folder / "receiver.mjs")
        await holds([node, "receiver.mjs"], folder, port)

    async def test_a_public_key_verifies(self, folder, node):
        await captured(folder)
        (folder / "try.mjs").write_text(self.VERIFIED)
        done = ended([node, "try.mjs"], folder, RELAY_PUBLIC_KEY=PUBLIC)
        assert json.loads(done.stdout or done.stderr) == [EVENT.id, *["refused"] * 5]


class TestGo:
    IMPORTS = ("crypto/ed25519", "encoding/base64", "math", "net/http", "strconv", "strings", "time")
    VERIFIED = """
        package main

        import (
            "encoding/base64"
            "encoding/json"
            "net/http"
            "os"
            "testing"
        )

        func TestVerified(t *testing.T) {
            key, _ := base64.StdEncoding.DecodeString(os.Getenv("RELAY_PUBLIC_KEY")[len("whpk_"):])
            body, _ := os.ReadFile("body")
            text, _ := os.ReadFile("headers.json")
            named, header := map[string]string{}, http.Header{}
            json.Unmarshal(text, &named)
            for name, value := range named {
                header.Set(name, value)
            }
            if !verified(key, body, header) {
                t.Error("refused")
            }
            if verified(key, append(body, ' '), header) {
                t.Error("another body was taken")
            }
            header.Set("webhook-timestamp", "1614265330")
            if verified(key, body, header) || verified(key, body, http.Header{}) {
                t.Error("an old request, or none, was taken")
            }
        }"""

    @pytest.fixture
    def go(self, tmp_path, require, fetched):
        """Runs go in a module of the examples, with what is on this machine only."""
        program = require("go")
        environ = {"GOFLAGS": "-mod=readonly", "GOPROXY": "off", "GOSUMDB": "off", "RELAY_PUBLIC_KEY": PUBLIC}
        for path in fetched(libraries.go):
            shutil.copy(path, tmp_path)
        for name, text in examples("go").items():
            (tmp_path / name).write_text(text)
        return lambda *arguments: ended([program, *arguments], tmp_path, **environ)

    @pytest.mark.timeout(300)  # the first time, Go compiles its own library
    async def test_the_receiver_and_its_public_key(self, tmp_path, go):
        await captured(tmp_path)
        imports = "".join(f"import {json.dumps(name)}\n" for name in self.IMPORTS)
        verified = tmp_path / "verified.go"
        verified.write_text(f"package main\n{imports}{verified.read_text()}")
        (tmp_path / "verified_test.go").write_text(self.VERIFIED)
        port = at_free_port(tmp_path / "main.go")
        for arguments in (("build", "-o", "receiver", "."), ("test", ".")):
            done = go(*arguments)
            assert done.returncode == 0, done.stdout + done.stderr
        await holds([tmp_path / "receiver"], tmp_path, port)


def ended(command, folder, **environ):
    """The process when it has ended, well or badly."""
    env = {**os.environ, **environ}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=200, check=False)


def at_free_port(path):
    """Has the example listen there instead."""
    port = unused_port()
    text = path.read_text()
    assert text.count(PORT) == 1
    path.write_text(text.replace(PORT, str(port)))
    return port
