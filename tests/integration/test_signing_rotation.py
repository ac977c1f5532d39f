"""A signing secret changes in its file while relay runs: receivers change theirs when they like, and lose nothing."""

from contextlib import AsyncExitStack

import standardwebhooks
from integration import peers
from integration.peers import SECRET as OLD
from integration.processes import serving, until, write_config

NEW, UNUSED = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
RELOAD_SECONDS = 15.0  # a second or two are usual


class Verifier:
    """Takes what one of these secrets has signed."""

    def __init__(self, *secrets):
        self._webhooks = [standardwebhooks.Webhook(secret) for secret in secrets]

    def verify(self, body, headers):
        for webhook in self._webhooks[:-1]:
            try:
                return webhook.verify(body, headers)
            except standardwebhooks.WebhookVerificationError:
                continue
        return self._webhooks[-1].verify(body, headers)


class SecretFiles:
    def __init__(self, folder):
        self._current, self._previous = folder / "current", folder / "previous"

    def write(self, current, previous):
        self._previous.write_text(previous)
        self._current.write_text(current)

    def section(self):
        return [f"${{file:{self._current}}}", f"${{file:{self._previous}}}"]


class Scene:
    def __init__(self, relay, zendesk, session, receivers):
        self._relay, self._zendesk, self._session, self._receivers = relay, zendesk, session, receivers

    async def job(self):
        """One that has ended; its id."""
        (status,) = await self._zendesk.start_jobs(self._session, 1, fate="succeeded", work_seconds=0.1)
        await peers.submit(self._session, lambda: self._relay.url, {"job_status": status})
        return status["id"]

    async def heard(self, job_id, *names):
        for name in names:
            await until(lambda one=self._receivers[name]: job_id in one.ended(), 10, f"{name} has not heard")

    async def not_heard(self, job_id, name):
        """It has refused the event, again and again."""
        receiver = self._receivers[name]
        refused = len(receiver.forged)
        await until(lambda: len(receiver.forged) >= refused + 2, 10, f"{name} is not asked any more")
        assert job_id not in receiver.ended()


async def test_receivers_with_the_old_the_new_and_both_secrets_lose_nothing_while_the_secret_changes(tmp_path):
    """Both secrets sign for a while. What a receiver could not verify before is delivered when it can."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        zendesk, session = await enter(peers.zendesk("acme", "fast")), await enter(peers.client())
        receivers = {name: await enter(peers.receiver()) for name in ("old", "new", "both")}
        for name, secrets in {"old": [OLD], "new": [NEW], "both": [OLD, NEW]}.items():
            receivers[name].verifier = Verifier(*secrets)
        files = SecretFiles(tmp_path)
        files.write(OLD, UNUSED)
        schedule = [0, *[0.2] * 99]
        config = write_config(
            tmp_path,
            accounts=[zendesk.section(requests_per_minute=600, fresh_within_seconds=0.1)],
            sinks=[
                receiver.section(name, secrets=files.section(), retry_schedule_seconds=schedule)
                for name, receiver in receivers.items()
            ],
        )
        relay = await enter(serving(config))
        scene = Scene(relay, zendesk, session, receivers)

        before = await scene.job()
        await scene.heard(before, "old", "both")
        await scene.not_heard(before, "new")
        files.write(NEW, OLD)
        await relay.logged("config.reloaded", seconds=RELOAD_SECONDS)
        await scene.heard(before, "new")
        between = await scene.job()
        await scene.heard(between, "old", "new", "both")
        assert receivers["old"].forged == []

        reloads = sum(entry["event"] == "config.reloaded" for entry in relay.log)
        refused_by_new = len(receivers["new"].forged)
        files.write(NEW, UNUSED)
        await relay.logged("config.reloaded", count=reloads + 1, seconds=RELOAD_SECONDS)
        after = await scene.job()
        await scene.heard(after, "new", "both")
        await scene.not_heard(after, "old")
        receivers["old"].verifier = Verifier(NEW)
        await scene.heard(after, "old")

    assert receivers["both"].forged == []
    assert len(receivers["new"].forged) == refused_by_new
    for receiver in receivers.values():
        assert receiver.ended() == {before, between, after}
        assert len(receiver.taken) == 3
