"""Whether an account answers, and lets us in: one request, as cheap as any and within the scope of polling.

It asks for the status of a job that does not exist, which is what every poll does. With client credentials it gets
itself a token first. A refresh token is left alone: to try it would use it up, and relay may be running on it.
"""

import time
from urllib.parse import urlsplit

from msgspec.structs import replace

from relay.app.checks import Finding, Verdict
from relay.config.addresses import is_loopback
from relay.core.tokens import ClientCredentials, Grant, RefreshToken, decipher_token, token_request
from relay.core.webhook import excerpt
from relay.core.zendesk import Endpoint, RateHeaders, Reply, Request, decipher
from relay.errors import Reason
from relay.zendesk.transport import Peer, Transport

REQUEST = Request(endpoint=Endpoint.SHOW_MANY, ids=(f"V3-{0:032x}",))

ADVICE = {
    Reason.UNAUTHORIZED: "check `auth`: what it says is wrong, has expired or was revoked",
    Reason.FORBIDDEN: "let the token belong to an agent, and have the scope read",
    Reason.RATE_LIMITED: "nothing: relay waits; others use up the limit of this account",
    Reason.DNS: "check the spelling of `base_url`, and the name server",
    Reason.CONNECT: "check `base_url`, and whether a firewall or a proxy is between",
    Reason.TIMEOUT: "check `base_url`, and whether a firewall or a proxy is between",
    Reason.RESET: "check `base_url`, and whether a firewall or a proxy is between",
    Reason.TLS: "set `ca_file` to the certificate authority of whoever answers, if you trust it",
    Reason.REDIRECT: "set `base_url` to the address that it redirects to, https://<subdomain>.zendesk.com",
    Reason.SERVER_ERROR: "try again later: the trouble is at Zendesk's side",
}
NOT_ZENDESK = "check `base_url`: this does not answer as Zendesk does"
NO_SIMULATOR = "start `relay simulate`, or set `base_url` to your account's"


async def try_account(name: str, peer: Peer, transport: Transport, grant: Grant | None) -> Finding:
    local = is_loopback(urlsplit(peer.base_url).hostname or "")
    began = time.monotonic()
    match grant:
        case None:
            token, reply = (peer.authorization or "").rpartition(" ")[2], await _poll(transport, REQUEST)
        case ClientCredentials():
            token, reply = await _sign_in(transport, grant)
        case RefreshToken():
            token, reply = "", await _poll(transport, REQUEST)
            if reply.reason is Reason.UNAUTHORIZED:
                detail = "answers; whether the refresh token is good is not tried, since that would use it up"
                return Finding(what="account", name=name, verdict=Verdict.OK, detail=detail)
    return judge(name, reply, seconds=time.monotonic() - began, local=local, hidden=token)


async def _sign_in(transport: Transport, grant: ClientCredentials) -> tuple[str, Reply]:
    """The token that came, if one did, and the reply that decides."""
    request = token_request(grant)
    answer = decipher_token(request, await transport.post(request), time.time())
    if answer.token is None:
        return "", answer.reply
    token = answer.token.access_token
    return token, await _poll(transport, replace(REQUEST, access_token=token))


async def _poll(transport: Transport, request: Request) -> Reply:
    return decipher(request, await transport.get(request), time.time())


def judge(name: str, reply: Reply, *, seconds: float, local: bool, hidden: str) -> Finding:
    """What the reply says of the account. `local`: it is on this machine. `hidden`: what must not be shown."""
    if reply.reason in {None, Reason.NOT_FOUND}:
        detail = f"answered in {seconds:.2f} s{_limit(reply.rate)}"
        return Finding(what="account", name=name, verdict=Verdict.OK, detail=detail)
    unreached = local and reply.reason is Reason.CONNECT
    return Finding(
        what="account",
        name=name,
        verdict=Verdict.WARNING if reply.reason is Reason.RATE_LIMITED else Verdict.FAILED,
        detail=f"{reply.reason}: {excerpt(reply.detail, [hidden])}",
        advice=NO_SIMULATOR if unreached else ADVICE.get(reply.reason, NOT_ZENDESK),
    )


def _limit(rate: RateHeaders) -> str:
    if rate.limit is None:
        return "; it told no rate limit"
    left = "" if rate.remaining is None else f", {rate.remaining:,} left"
    return f"; limit {rate.limit:,} requests a minute{left}"
