"""Starts jobs at Zendesk's stand-in and hands each reply to relay as it is, as your own services would.

Needs nothing but Python. ZENDESK_URL, RELAY_URL and RELAY_API_KEY say where; SECONDS is the time between two jobs.
"""

import json
import os
import random
import time
import urllib.request
from itertools import count

ZENDESK = os.environ["ZENDESK_URL"] + "/api/v2/tickets/create_many.json"
RELAY = os.environ["RELAY_URL"] + "/v1/jobs"
SECONDS = float(os.environ.get("SECONDS", "2"))


def post(url: str, token: str, body: object) -> dict[str, object]:
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    request = urllib.request.Request(url, data=json.dumps(body).encode(), headers=headers)  # noqa: S310 - http is enough here
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        reply: dict[str, object] = json.load(answer)
    return reply


def start_job(number: int) -> None:
    items = random.randint(1, 100)  # noqa: S311 - sample jobs
    reply = post(ZENDESK, "demo", {"tickets": [{"subject": f"ticket {item}"} for item in range(items)]})
    handed = post(RELAY, os.environ["RELAY_API_KEY"], {**reply, "account": "demo", "metadata": {"number": str(number)}})
    print(json.dumps(handed), flush=True)


for number in count(1):
    try:
        start_job(number)
    except OSError as error:  # neither of them is there yet, or one asks to wait
        print(error, flush=True)
    time.sleep(SECONDS)
