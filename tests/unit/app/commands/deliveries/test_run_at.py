import pytest

from relay.app.client import NotReachedError
from relay.app.commands.deliveries import run_at


async def ask(caller):
    await caller.call("GET", "/", expects="deliveries")
    return 0


def test_where_nobody_answers_it_says_how_to_start_one():
    with pytest.raises(NotReachedError, match=r"no relay answers at http://127\.0\.0\.1:9 .*; start one with"):
        run_at("http://127.0.0.1:9", None, ask)
