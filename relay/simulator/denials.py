"""401, 403 and the subdomain that is gone: values like any other fault, and each for a while only."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from relay.simulator.answer import TEXT, Answer, Reply, error_answer, json_answer
from relay.simulator.faults import Moment, Window


class Forbidden(StrEnum):
    """The two texts of a 403."""

    SCOPE = "scope"
    PAGE = "page"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unauthorized:
    """401 whatever the token, as when it was revoked and is replaced."""

    everywhere: ClassVar[bool] = False
    window: Window

    def strike(self, answer: Answer, moment: Moment) -> Reply | None:  # noqa: ARG002 - a Fault
        return unauthenticated() if self.window.holds(moment.age_seconds) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedClient:
    """The OAuth client was disabled: its tokens are dead, and it gets no new ones."""

    everywhere: ClassVar[bool] = True
    window: Window

    def strike(self, answer: Answer, moment: Moment) -> Reply | None:  # noqa: ARG002 - a Fault
        if not self.window.holds(moment.age_seconds):
            return None
        return invalid_client() if moment.token else invalid_token()


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """403: the token lacks a scope, or its user the right."""

    everywhere: ClassVar[bool] = False
    window: Window
    text: Forbidden

    def strike(self, answer: Answer, moment: Moment) -> Reply | None:  # noqa: ARG002 - a Fault
        if not self.window.holds(moment.age_seconds):
            return None
        return missing_scope() if self.text is Forbidden.SCOPE else no_access()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadSubdomain:
    """The account was renamed or closed: plain text, and no redirect."""

    everywhere: ClassVar[bool] = True
    window: Window

    def strike(self, answer: Answer, moment: Moment) -> Reply | None:  # noqa: ARG002 - a Fault
        return no_help_desk() if self.window.holds(moment.age_seconds) else None


def unauthenticated() -> Answer:
    return error_answer(401, "Couldn't authenticate you")


def invalid_token() -> Answer:
    """What an OAuth token hears that has expired or was revoked."""
    text = "The access token provided is expired, revoked, malformed or invalid for other reasons."
    return error_answer(401, "invalid_token", error_description=text)


def invalid_client() -> Answer:
    return error_answer(401, "invalid_client", error_description="Client authentication failed.")


def missing_scope() -> Answer:
    return error_answer(403, "Forbidden", "You are missing the following required scopes: read")


def no_access() -> Answer:
    text = "You do not have access to this page. Please contact the account owner of this help desk for further help."
    return json_answer(403, {"error": {"title": "Forbidden", "message": text}})


def no_help_desk() -> Answer:
    return Answer(status=404, body=b"No help desk at this address", content_type=TEXT)
