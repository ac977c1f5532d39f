from relay.core.job import TrackRequest
from relay.core.observe import give_up, track
from relay.shard import live as module
from relay.shard.live import Live


def tracked(account, job_id="V3-1"):
    return track(TrackRequest(account=account, id=job_id), 1_770_000_000.0)


def test_accounts_without_jobs_are_kept_in_mind_only_up_to_a_number(monkeypatch):
    """Whoever writes to the intake topic may name ever new ones."""
    monkeypatch.setattr(module, "ACCOUNTS_MAX", 3)
    live = Live()
    for number in range(10):
        job = tracked(f"stranger-{number}")
        live.change(live.add(job), give_up(job, 1_770_000_300.0))
    assert len(live._accounts) == 3
    assert {account for account, _ in live.counts} == {f"stranger-{number}" for number in range(3)}


def test_an_account_is_kept_while_a_former_life_of_a_job_is_counted(monkeypatch):
    monkeypatch.setattr(module, "ACCOUNTS_MAX", 0)
    live = Live()
    job = tracked("acme")
    former, newer = live.add(job), live.add(job)
    ended = give_up(job, 1_770_000_300.0)
    live.change(newer, ended)
    live.change(former, ended)
    assert not live.accounts()
    assert not +live.counts
    assert not live._accounts
