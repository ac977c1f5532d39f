from itertools import islice
from random import Random
from urllib.parse import parse_qsl, urlsplit

import orjson

from relay.simulator.answer import Request
from relay.simulator.model import Simulator
from relay.simulator.scenarios import SCENARIOS
from relay.simulator.traffic import sample_traffic


def test_the_simulator_takes_every_sample_and_shows_more_than_one_kind_of_end():
    """A demo of a few minutes meets no refusal, and something in it fails."""
    simulator, now = Simulator(scenario=SCENARIOS["demo"]), 0.0
    for sample in islice(sample_traffic(Random(1)), 60):
        now += sample.delay_seconds
        url = urlsplit(sample.path)
        request = Request(
            method=sample.method,
            path=url.path,
            query=dict(parse_qsl(url.query)),
            body=b"" if sample.body is None else orjson.dumps(sample.body),
            authorization="Bearer demo",
        )
        assert simulator.answer(request, now).status == 200
    assert len({plan.fate for plan in simulator.plans()}) >= 3
    assert len({plan.kind for plan in simulator.plans()}) == 4


def test_something_happens_at_once_and_then_every_few_seconds():
    delays = [sample.delay_seconds for sample in islice(sample_traffic(Random(1)), 50)]
    assert sum(delays[:4]) < 2
    assert max(delays) <= 4


def test_the_same_seed_gives_the_same_traffic():
    assert list(islice(sample_traffic(Random(3)), 20)) == list(islice(sample_traffic(Random(3)), 20))
