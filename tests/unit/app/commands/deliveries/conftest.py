import asyncio

import pytest


class Relay:
    """Plays who calls a running relay: gives these answers in turn, and remembers what was asked."""

    def __init__(self, *answers):
        self._answers = list(answers)
        self.asked = []

    async def call(self, method, path, **options):
        self.asked.append((method, path, options.get("query") or options.get("data")))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def playing(monkeypatch):
    """Lets a command's module call a relay that gives these answers."""

    def play(module, *answers):
        relay = Relay(*answers)
        monkeypatch.setattr(module, "run_at", lambda url, api_key, act: asyncio.run(act(relay)))
        return relay

    return play
