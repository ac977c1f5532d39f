import pytest

from relay.app.commands.deliveries import retry
from relay.errors import ConfigError

TAKEN = 202, {"id": "dlv_1", "href": "/v1/jobs/acme/V3-1"}
UNKNOWN = 404, {"code": "not_found", "detail": "no such delivery"}


def test_every_delivery_is_asked_for_and_told_in_order(playing, capsys):
    relay = playing(retry, *[TAKEN] * 20)
    ids = [f"dlv_{number}" for number in range(20)]
    assert retry.run(ids=ids, url="", api_key=None) == 0
    assert relay.asked == [("POST", f"/v1/deliveries/{one}/retry", None) for one in ids]
    assert capsys.readouterr().out.splitlines() == [f"retrying {one}" for one in ids]


def test_an_unknown_one_is_told_and_the_others_are_sent(playing, capsys):
    relay = playing(retry, TAKEN, UNKNOWN, TAKEN)
    assert retry.run(ids=["dlv_1", "../x?", "dlv_3"], url="", api_key=None) == 1
    assert relay.asked[1][1] == "/v1/deliveries/..%2Fx%3F/retry"
    assert capsys.readouterr().out == "retrying dlv_1\nunknown ../x?\nretrying dlv_3\n"


def test_what_relay_refuses_is_an_error_in_its_words(playing):
    playing(retry, (409, {"code": "conflict", "detail": "not now"}))
    with pytest.raises(ConfigError, match="relay refuses: not now"):
        retry.run(ids=["dlv_1"], url="", api_key=None)
