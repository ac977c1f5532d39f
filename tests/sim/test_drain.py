"""How long a drain takes at worst, in virtual time: `docker stop` puts up with 10 seconds in all."""

import asyncio

from sim.owing import Told, world_owing
from sim.virtual import run
from sim.world import ModelZendesk

from relay.core.tokens import ClientCredentials

CLIENT = ClientCredentials(client_id="relay", client_secret="cl13nt-s3cr3t")
HANGS_SECONDS = 120.0
DRAIN_SECONDS_MAX = 8.0


class Hanging(ModelZendesk):
    """Answers nobody."""

    async def get(self, request):
        await asyncio.sleep(HANGS_SECONDS)

    post = get


def test_attempts_and_tokens_that_hang_are_waited_for_together():
    async def main():
        sink = Told(seconds=HANGS_SECONDS)
        world = await world_owing(20, orders=sink)
        world.grants["acme"] = CLIENT
        world.zendesk = lambda account: Hanging(world.simulator, account, world.clock)
        async with world.relay() as shard:
            await shard.track(world.requests(world.start_jobs(1)))
            await asyncio.sleep(5.0)
            assert sink.requests
            assert any(post.renewal is not None for post in shard.poller.posts.values())
            began = world.clock.monotonic()
            await shard.drain()
            assert world.clock.monotonic() - began < DRAIN_SECONDS_MAX

    run(main())
