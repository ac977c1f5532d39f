"""The play: jobs are started at Zendesk's stand-in, and its replies handed to relay as they are. All over HTTP."""

import asyncio
import time
from random import Random

import aiohttp
import orjson

from relay.app.demo.board import Board
from relay.app.demo.stage import Stage
from relay.core.webhook import excerpt
from relay.errors import RelayError
from relay.simulator import sample_traffic

AUTHORIZATION = {"authorization": "Bearer demo"}
JSON = {"content-type": "application/json"}


async def play(stage: Stage, board: Board, random: Random) -> None:
    """Never ends. Raises RelayError: relay does not take a job."""
    async with aiohttp.ClientSession() as session:
        for sample in sample_traffic(random):
            await asyncio.sleep(sample.delay_seconds)
            url = stage.simulator_url + sample.path
            async with session.request(sample.method, url, json=sample.body, headers=AUTHORIZATION) as started:
                reply = await started.read()
            # Zendesk, too, takes only so many jobs at once.
            if started.status == 200:
                await _hand_in(session, stage, reply)
                board.handed_in(orjson.loads(reply)["job_status"], time.monotonic())


async def _hand_in(session: aiohttp.ClientSession, stage: Stage, reply: bytes) -> None:
    async with session.post(f"{stage.relay_url}/v1/jobs", data=reply, headers=JSON) as taken:
        if taken.status != 202:
            raise RelayError(f"relay answered {taken.status}: {excerpt(await taken.text())}")
