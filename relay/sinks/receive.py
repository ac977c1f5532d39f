"""A receiver for trying webhooks: it verifies what comes and hands it on, as a subscriber's own endpoint would."""

from collections.abc import Callable, Sequence
from typing import Any

import orjson
from aiohttp import web

from relay.core.signing import VerificationError, Verifier, verify

BODY_BYTES_MAX = 1_048_576


def receiver_application(
    secrets: Sequence[Verifier],
    *,
    on_event: Callable[[dict[str, Any]], object],
    on_refusal: Callable[[str], object],
    system_clock: Callable[[], float],
) -> web.Application:
    """An application that takes CloudEvents by POST on any path: 204 when taken, else 401 or 400 and why.

    `secrets`: one of them must verify; without any, all is taken as it comes. `on_refusal`: gets the same text.
    """

    def refuse(status: int, why: str) -> web.Response:
        on_refusal(why)
        return web.Response(status=status, text=f"{why}\n")

    async def receive(request: web.Request) -> web.Response:
        body = await request.read()
        try:
            if secrets:
                verify(secrets, request.headers, body, now=system_clock())
            event = orjson.loads(body)
        except VerificationError as error:
            return refuse(401, str(error))
        except orjson.JSONDecodeError as error:
            return refuse(400, f"the body is not JSON: {error}")
        if not isinstance(event, dict):
            return refuse(400, "the body is not a JSON object")
        on_event(event)
        return web.Response(status=204)

    application = web.Application(client_max_size=BODY_BYTES_MAX)
    application.router.add_post("/{path:.*}", receive)
    return application
