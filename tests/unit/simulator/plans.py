"""Plans as the tests of this folder draw them."""

from random import Random

from hypothesis import strategies as st

from relay.simulator.kinds import KINDS
from relay.simulator.plan import Fate
from relay.simulator.planning import NewJob, Wish, draw
from relay.simulator.scenarios import SCENARIOS

API = "https://acme.zendesk.com/api/v2"
STARTED = 1_695_080_000.0


def plan_of(*, seed=1, fate=None, kind="create_tickets", items=20, scenario="calm", **durations):
    job = NewJob(account="acme", account_id=15745908, number=1, kind=KINDS[kind], item_ids=[None] * items)
    return draw(Random(seed), SCENARIOS[scenario], job, now=STARTED, wish=Wish(fate=fate, **durations))


def plans_of(count=40, **options):
    return [plan_of(seed=seed, **options) for seed in range(count)]


plans = st.builds(
    plan_of,
    seed=st.integers(0, 2**32),
    fate=st.sampled_from(Fate),
    kind=st.sampled_from(sorted(KINDS)),
    items=st.integers(1, 100),
    scenario=st.sampled_from(sorted(SCENARIOS)),
)
