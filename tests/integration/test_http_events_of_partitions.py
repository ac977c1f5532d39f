"""Reading the events of a ledger with several partitions over real sockets, as any replica shows them."""

from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from integration.api import ACCOUNTS, Story, running
from integration.listening import STREAM, listening

from relay.intake import opaque
from relay.intake.event_calls import EventCalls
from relay.intake.http import api
from relay.shard.feeds import Feeds

NOW = 1_700_000_000.0
PARTITIONS = 3


@asynccontextmanager
async def replica():
    """An intake, and what happens in each partition."""
    stories = [Story(ACCOUNTS) for _ in range(PARTITIONS)]

    def face(intake):
        feeds = Feeds([story.feed for story in stories])
        calls = replace(intake.calls, events=EventCalls(events=feeds, access=intake.access, gate=intake.gate))
        return api(calls=calls, probes=intake.probes)

    async with running(face=face) as intake:
        yield intake, stories


async def page(intake, **query):
    status, answer = await intake.answer("GET", "/v1/events", params=query)
    assert status == 200
    return answer


def ids(answer):
    return [event["subject"] for event in answer["events"]]


async def test_page_by_page_all_is_read_once():
    async with replica() as (intake, stories):
        for number in range(12):
            await stories[number % PARTITIONS].see(f"job-{number}", at=NOW + number)
        assert ids(await page(intake)) == [f"job-{number}" for number in range(12)]
        found, answer = [], {"more": True}
        while answer["more"]:
            answer = await page(intake, limit="5", **({"cursor": answer["cursor"]} if "cursor" in answer else {}))
            found += ids(answer)
        assert sorted(found) == sorted(f"job-{number}" for number in range(12))
        await stories[1].see("later")
        assert ids(await page(intake, cursor=answer["cursor"])) == ["later"]


async def test_who_comes_back_with_any_id_of_the_stream_is_told_what_it_has_not_heard():
    async with replica() as (intake, stories):
        async with listening(intake.session, "") as listener:
            for number in range(6):
                await stories[number % PARTITIONS].see(f"job-{number}", at=NOW + number)
            heard = await listener.take(6)
        names = [told.job_id for told in heard]
        assert sorted(names) == [f"job-{number}" for number in range(6)]
        for count, told in enumerate(heard, start=1):
            missing = sorted(names[count:])
            assert sorted(ids(await page(intake, cursor=told.id))) == missing
            async with listening(intake.session, "", headers={"Last-Event-ID": told.id}) as listener:
                assert sorted(again.job_id for again in await listener.take(len(missing))) == missing


async def test_a_cursor_of_the_embedded_ledger_is_good_where_that_has_been_moved_to_partitions():
    async with replica() as (intake, stories):
        for story in stories:
            await story.see("early")
            await story.see("late")
        assert ids(await page(intake, cursor=opaque.write_place((1,)))) == ["late"] * PARTITIONS


@pytest.mark.parametrize("headers", [{}, STREAM])
async def test_a_cursor_of_a_ledger_with_other_partitions_is_expired(headers):
    async with replica() as (intake, _):
        path = f"/v1/events?cursor={opaque.write_place((0, 0))}"
        response, problem = await intake.refusal("GET", path, headers=headers)
        assert (response.status, problem["code"]) == (410, "cursor_expired")
