"""Which of the configured sinks an account concerns."""

from relay.core.delivery import Subscription
from relay.shard.subscriptions import Subscriptions

EVERY = Subscription(sink="every")
SOME = Subscription(sink="some", accounts=("acme-*", "globex"))
ONE = Subscription(sink="one", accounts=("globex",))
ALL = Subscriptions([EVERY, SOME, ONE])


def test_an_account_concerns_the_sinks_whose_patterns_fit_in_their_order():
    assert ALL.concerning("acme-eu") == (EVERY, SOME)
    assert ALL.concerning("globex") == (EVERY, SOME, ONE)
    assert ALL.concerning("initech") == (EVERY,)


def test_what_concerns_an_account_is_found_once():
    """With hundreds of sinks, to compare all their patterns would cost every event a millisecond."""
    assert ALL.concerning("acme-us") is ALL.concerning("acme-us")


def test_a_sink_is_found_by_its_name():
    assert ALL.of_sink("some") is SOME
    assert ALL.of_sink("other") is None
