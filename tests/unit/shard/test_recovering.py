"""Pages of what is dead, made again one after another."""

from relay.core.delivery import DeliveryKey, DeliveryState
from relay.core.record import DeliveryFilter
from relay.shard.recovering import PAGE, recover
from relay.shard.settling import Recovered

WANTED = DeliveryFilter(state=DeliveryState.DEAD, sink="orders")
END = DeliveryKey(1.0, "acme", "V3-1", "orders")


class Writer:
    """Answers with these pages. `asked`: where each began."""

    def __init__(self, *pages):
        self.pages = list(pages)
        self.asked = []

    async def submit(self, intent):
        assert (intent.wanted, intent.limit) == (WANTED, PAGE)
        self.asked.append(intent.after)
        return self.pages.pop(0)


async def test_each_page_goes_on_where_the_one_before_ended_until_there_are_no_more():
    writer = Writer(Recovered(PAGE, END), Recovered(0, END), Recovered(3, None))
    assert await recover(WANTED, writer) == PAGE + 3
    assert writer.asked == [None, END, END]
