import pytest

from relay.app.commands.deliveries import recover
from relay.errors import ConfigError

NOW = 1_770_105_600.0  # 2026-02-03T08:00:00Z


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(recover.time, "time", lambda: NOW)


def recovered(since, until=None, sink="orders"):
    return recover.run(sink=sink, since=since, until=until, url="", api_key=None)


def test_what_was_owed_in_a_time_is_asked_for_and_counted(playing, capsys):
    relay = playing(recover, (200, {"recovered": 3}))
    assert recovered("2h", "2026-02-03T08:30:00+01:00") == 0
    span = {"since": "2026-02-03T06:00:00.000Z", "until": "2026-02-03T07:30:00.000Z"}
    assert relay.asked == [("POST", "/v1/sinks/orders/recover", span)]
    assert capsys.readouterr().out == "3 deliveries to orders are owed again\n"


def test_without_an_end_it_is_until_now_by_relays_own_clock(playing):
    relay = playing(recover, (200, {"recovered": 0}))
    recovered("30m", sink="a/b")
    assert relay.asked == [("POST", "/v1/sinks/a%2Fb/recover", {"since": "2026-02-03T07:30:00.000Z"})]


@pytest.mark.parametrize(("since", "until", "why"), [
    ("yesterday", None, "--since: 'yesterday' is no time"),
    ("2h", "1 h", "--until: '1 h' is no time"),
    ("2h", "3h", "--since: must be before --until"),
    ("2126-02-03T08:00:00Z", None, "--since: must be before --until"),
])  # fmt: skip
def test_a_wrong_time_is_told_before_anything_is_asked(since, until, why):
    with pytest.raises(ConfigError, match=why):
        recovered(since, until)


def test_a_sink_that_is_not_there_is_an_error_in_relays_words(playing):
    playing(recover, (404, {"code": "not_found", "detail": "no such sink"}))
    with pytest.raises(ConfigError, match="relay refuses: no such sink"):
        recovered("2h")
