"""One root for every error that relay raises on purpose, and the closed set of reasons that anything may carry.

Branch on the type and on `Reason`, never on the text: the text is for people and may change.
"""

from collections.abc import Collection
from enum import StrEnum


class Reason(StrEnum):
    """Why something did not go as hoped. Values are stable: they are metric labels, event fields and API codes."""

    # A request to Zendesk or to a webhook that got no answer
    TIMEOUT = "timeout"
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    RESET = "reset"
    ADDRESS_REFUSED = "address_refused"
    # An answer that says no
    RATE_LIMITED = "rate_limited"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    REFUSED = "refused"
    REDIRECT = "redirect"
    GONE = "gone"
    SERVER_ERROR = "server_error"
    UNAVAILABLE = "unavailable"
    # An answer that says nothing
    UNREADABLE = "unreadable"
    INCOMPLETE = "incomplete"
    # Why a job ended without Zendesk saying so, or badly
    JOB_FAILED = "job_failed"
    JOB_KILLED = "job_killed"
    AGE_LIMIT = "age_limit"
    NEVER_FOUND = "never_found"
    NO_LONGER_KNOWN = "no_longer_known"
    # Why an account or the intake stands still
    ACCOUNT_NOT_CONFIGURED = "account_not_configured"
    OVERLOADED = "overloaded"
    LEDGER_UNAVAILABLE = "ledger_unavailable"
    DRAINING = "draining"


class RelayError(Exception):
    """The root of all errors raised on purpose."""


class ConfigError(RelayError):
    """The configuration cannot be used. The text names file, key, value and what is allowed; exit code 2."""


class Unavailable(RelayError):  # noqa: N818 - says what it is
    """Work cannot be taken now; the same call may succeed after `retry_after_seconds`."""

    def __init__(self, reason: Reason, detail: str, retry_after_seconds: float = 1.0) -> None:
        super().__init__(detail)
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds


class LedgerError(RelayError):
    """The ledger did not do what was asked, and nothing of it is durable; it may work again later."""


class LedgerLost(LedgerError):  # noqa: N818 - says what it is
    """The record may hold more than its owner knows: what failed was written after all, or others have written.

    Nothing is recorded by this owner any more: whoever is still to own it opens it, and loads from it, anew.
    """


class NotPublishable(LedgerError):  # noqa: N818 - says what it is
    """The batch's messages cannot be published at present, and so nothing of it is recorded; without them it may be.

    `too_large`: ids of events that are at fault, since their topic takes none of this size; empty: no single one is.
    """

    def __init__(
        self, detail: str, reason: Reason = Reason.UNAVAILABLE, too_large: Collection[str] = frozenset()
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.too_large = too_large


class LedgerUnusable(LedgerError, ConfigError):  # noqa: N818 - says what it is
    """The ledger cannot be opened as it is (corrupt, read-only, foreign, locked); a person must look. Exit code 2."""


class Undecipherable(RelayError):  # noqa: N818 - says what it is
    """Bytes from outside, or from a ledger row, do not hold what they should."""


class UnknownSink(RelayError):  # noqa: N818 - says what it is
    """There is no sink of that name."""


class CursorExpired(RelayError):  # noqa: N818 - says what it is
    """Events after that place may be forgotten by now."""
