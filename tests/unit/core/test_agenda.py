import math

import pytest

from relay.core.agenda import STALE_MAX, Agenda


class TestAgenda:
    def test_an_account_wakes_when_its_time_has_come_and_sleeps_until_it_is_set_again(self):
        agenda = Agenda()
        agenda.set("late", 20.0)
        agenda.set("early", 10.0)
        assert (agenda.next_at(), agenda.at("late")) == (10.0, 20.0)
        assert agenda.due(9.9) == []
        assert agenda.due(20.0) == ["early", "late"]
        assert (agenda.next_at(), agenda.at("late")) == (math.inf, math.inf)
        assert agenda.due(1e9) == []

    @pytest.mark.parametrize("moments", [(10.0, 20.0), (20.0, 10.0), (10.0, 20.0, 10.0), (10.0, math.inf, 10.0)])
    def test_only_the_last_setting_counts(self, moments):
        agenda = Agenda()
        for moment in moments:
            agenda.set("acme", moment)
        assert agenda.next_at() == moments[-1]
        assert agenda.due(moments[-1] - 0.1) == []
        assert agenda.due(1e9) == ["acme"]

    def test_infinity_means_not_at_all(self):
        agenda = Agenda()
        agenda.set("acme", 10.0)
        agenda.set("acme", math.inf)
        assert agenda.due(1e9) == []

    def test_an_account_that_is_set_again_at_once_does_not_keep_the_others_waiting(self):
        agenda = Agenda()
        agenda.set("busy", 10.0)
        agenda.set("other", 11.0)
        woken = []
        for account in agenda.due(12.0):
            agenda.set(account, 12.0)
            woken.append(account)
        assert woken == ["busy", "other"]

    def test_of_many_that_are_due_a_few_are_woken_and_the_others_keep_their_turn(self):
        agenda = Agenda()
        for number in range(5):
            agenda.set(f"a{number}", float(number))
        assert agenda.due(3.0, 2) == ["a0", "a1"]
        agenda.set("a0", 3.0)
        assert agenda.next_at() == 2.0
        assert agenda.due(3.0, 2) == ["a2", "a0"]
        assert agenda.due(3.0, 2) == ["a3"]

    def test_ten_thousand_accounts_that_change_their_minds_cost_a_bounded_heap(self):
        agenda, accounts = Agenda(), 10_000
        for round_number in range(20):
            for account in range(accounts):
                agenda.set(f"a{account}", 100.0 + round_number + account / accounts)
            assert len(agenda._heap) <= 4 * accounts + STALE_MAX + 1
        assert len(agenda.due(1e9)) == accounts

    def test_waking_one_of_ten_thousand_looks_at_few_others(self):
        agenda, accounts = Agenda(), 10_000
        for number in range(accounts):
            agenda.set(f"a{number}", Moment(number))
        Moment.compared = 0
        for now in range(100):
            assert agenda.due(float(now)) == [f"a{now}"]
            agenda.set(f"a{now}", Moment(accounts + now))
        assert Moment.compared < 100 * 4 * math.log2(accounts)


class Moment(float):
    """Counts how often one is put before another."""

    __slots__ = ()
    compared = 0

    def __lt__(self, other):
        Moment.compared += 1
        return float(self) < float(other)
