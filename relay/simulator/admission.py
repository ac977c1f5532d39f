"""Who may ask at all: credentials first, then the account's minute and whatever 429 still holds."""

from base64 import b64decode

from relay.simulator.answer import Answer
from relay.simulator.budget import Reading
from relay.simulator.denials import invalid_token, missing_scope, unauthenticated
from relay.simulator.oauth import Standing
from relay.simulator.routing import Call
from relay.simulator.visit import Visit


def denial(visit: Visit, token: str | None) -> Answer | None:
    """Why these credentials will not do. `token`: the one that will besides issued ones; None: any.

    Bearer, or Basic with `email/token:token`; email and password are no longer taken.
    """
    if visit.routed.call is Call.TOKEN:
        return None
    credential = _credential(visit.request.authorization)
    if not credential:
        return unauthenticated()
    match visit.account.grants.standing(credential, visit.now):
        case Standing.ALIVE:
            return None
        case Standing.DEAD:
            return invalid_token()
        case Standing.SCOPELESS:
            return missing_scope()
        case Standing.UNKNOWN:
            accepted = not visit.scenario.oauth.issued_only and token in {None, credential}
            return None if accepted else unauthenticated()


def _credential(authorization: str | None) -> str:
    scheme, _, credential = (authorization or "").partition(" ")
    match scheme.lower():
        case "bearer":
            return credential
        case "basic":
            return _api_token(credential)
        case _:
            return ""


def _api_token(credential: str) -> str:
    try:
        _, found, token = b64decode(credential, validate=True).decode().partition("/token:")
    except ValueError:
        return ""
    return token if found else ""


def throttle(visit: Visit, reading: Reading) -> Answer | None:
    """429 for a spent minute, for an earlier 429 that still holds, or out of the blue."""
    account, throttling, now = visit.account, visit.scenario.throttling, visit.now
    if reading.spent:
        return throttling.remind(account.random, reading.reset_seconds, now)
    if now < account.throttled_until:
        return throttling.remind(account.random, account.throttled_until - now, now)
    refusal = throttling.strike(account.random, now)
    if refusal is None:
        return None
    account.throttled_until = now + refusal.holds_seconds
    return refusal.answer
