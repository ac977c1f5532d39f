import orjson
import pytest

from relay.core.credentials import RENEWED_AHEAD_SECONDS_MAX, Credentials
from relay.core.tokens import ClientCredentials, RefreshToken, Token, decode_record
from relay.core.zendesk import Endpoint, Request
from relay.errors import Reason

POLL = Request(endpoint=Endpoint.SHOW_MANY, ids=("V3-1",))
CLIENT = ClientCredentials(client_id="relay", client_secret="s")
WALL = 1_750_000_000.0


def refresh(token="configured"):
    return RefreshToken(client_id="relay", client_secret="s", refresh_token=token)


def issued(credentials, now=0.0, *, access="a1", lifetime=1_800.0, refresh_token=None):
    """Credentials with a token in use."""
    credentials.issue(
        Token(access_token=access, lifetime_seconds=lifetime, refresh_token=refresh_token), now, WALL + now
    )
    credentials.adopt()
    return credentials


def polled(credentials, reason=None):
    """A request is signed and answered; whether it is to be repeated."""
    return credentials.heard(credentials.sign(POLL).access_token, reason)


def sent_refresh_token(credentials):
    return orjson.loads(credentials.request().body)["refresh_token"]


def test_at_first_a_token_is_needed():
    assert Credentials(CLIENT).is_needed(0.0)


@pytest.mark.parametrize(("lifetime", "ahead"), [(300.0, 60.0), (1_800.0, 360.0), (172_800.0, 600.0)])
def test_a_token_is_renewed_ahead_of_its_end(lifetime, ahead):
    credentials = issued(Credentials(CLIENT), 100.0, lifetime=lifetime)
    polled(credentials)
    assert not credentials.is_needed(100.0 + lifetime - ahead - 0.1)
    assert credentials.is_needed(100.0 + lifetime - ahead + 0.1)


def test_a_token_is_tried_once_however_short_its_life():
    """Or an account that is looked at rarely would ask for tokens only."""
    credentials = issued(Credentials(CLIENT), lifetime=1.0)
    assert not credentials.is_needed(30.0)
    polled(credentials)
    assert credentials.is_needed(30.0)


def test_requests_are_signed_with_the_token_in_use():
    credentials = issued(Credentials(CLIENT))
    assert credentials.sign(POLL).access_token == "a1"
    assert credentials.sign(POLL).path == POLL.path
    assert "a1" not in repr(credentials.sign(POLL))


def test_a_token_that_is_issued_is_not_used_before_it_is_adopted():
    credentials = issued(Credentials(refresh()))
    credentials.issue(Token(access_token="a2", refresh_token="r2"), 10.0, WALL)
    assert credentials.waiting
    assert credentials.is_needed(10.0), "the old one died with its refresh token"
    credentials.adopt()
    assert not credentials.waiting
    assert credentials.sign(POLL).access_token == "a2"


def test_a_401_after_replies_renews_and_repeats():
    credentials = issued(Credentials(CLIENT))
    assert not polled(credentials)
    assert polled(credentials, Reason.UNAUTHORIZED)
    assert credentials.is_needed(1.0)


@pytest.mark.parametrize("reason", [Reason.INCOMPLETE, Reason.NOT_FOUND, Reason.REFUSED])
def test_any_reply_to_one_who_may_ask_proves_a_token(reason):
    credentials = issued(Credentials(CLIENT))
    polled(credentials, reason)
    assert polled(credentials, Reason.UNAUTHORIZED)


@pytest.mark.parametrize("reason", [Reason.RATE_LIMITED, Reason.SERVER_ERROR, Reason.TIMEOUT, Reason.FORBIDDEN])
def test_a_reply_that_has_not_looked_at_the_token_proves_nothing(reason):
    credentials = issued(Credentials(CLIENT))
    polled(credentials, reason)
    assert not polled(credentials, Reason.UNAUTHORIZED)


def test_a_401_for_a_token_straight_from_the_endpoint_is_a_denial_and_the_next_attempt_gets_another():
    credentials = issued(Credentials(CLIENT))
    assert not polled(credentials, Reason.UNAUTHORIZED)
    assert credentials.is_needed(1.0)


def test_it_renews_once_and_not_for_ever():
    """Whatever time went by in between: a 401, a new token, a 401 is a denial."""
    credentials = issued(Credentials(CLIENT))
    polled(credentials)
    assert polled(credentials, Reason.UNAUTHORIZED)
    issued(credentials, 10_000.0, access="a2")
    assert not polled(credentials, Reason.UNAUTHORIZED)
    issued(credentials, 20_000.0, access="a3")
    polled(credentials)
    assert polled(credentials, Reason.UNAUTHORIZED), "it went well in between"


def test_requests_in_flight_with_a_token_that_was_replaced_are_repeated():
    credentials = issued(Credentials(CLIENT))
    early = [credentials.sign(POLL).access_token for _ in range(3)]
    assert not credentials.heard(early[0], None)
    assert credentials.heard(early[1], Reason.UNAUTHORIZED)
    issued(credentials, access="a2")
    assert credentials.heard(early[2], Reason.UNAUTHORIZED)
    assert credentials.sign(POLL).access_token == "a2", "the new one has nothing to do with it"


def test_a_late_good_reply_to_an_old_token_does_not_vouch_for_the_new_one():
    credentials = issued(Credentials(CLIENT))
    late = credentials.sign(POLL).access_token
    polled(credentials)
    polled(credentials, Reason.UNAUTHORIZED)
    issued(credentials, access="a2")
    assert not credentials.heard(late, None)
    assert not polled(credentials, Reason.UNAUTHORIZED)


def test_while_a_token_is_good_its_renewal_can_wait():
    """An outage of the token endpoint is none of the account's; half of what is left, ever shorter."""
    credentials = issued(Credentials(CLIENT), lifetime=1_800.0)
    polled(credentials)
    assert credentials.postpone(1_440.0)
    assert not credentials.is_needed(1_619.0)
    assert credentials.is_needed(1_621.0)
    assert credentials.postpone(1_789.0)
    assert not credentials.postpone(1_795.0), "it ends"


def test_without_a_token_nothing_can_wait():
    assert not Credentials(CLIENT).postpone(0.0)


def test_client_credentials_leave_nothing_to_record():
    credentials = Credentials(CLIENT)
    credentials.issue(Token(access_token="a1", refresh_token="stray"), 0.0, WALL)
    assert credentials.record is None


def test_the_record_of_a_rotated_pair_holds_what_the_next_process_needs():
    credentials = Credentials(refresh())
    assert sent_refresh_token(credentials) == "configured"
    credentials.issue(Token(access_token="a1", lifetime_seconds=900.0, refresh_token="r1"), 5.0, WALL)
    record = decode_record(credentials.record)
    assert (record.refresh_token, record.access_token, record.expires_at) == ("r1", "a1", WALL + 900.0)
    assert sent_refresh_token(credentials) == "r1"
    credentials.adopt()
    assert credentials.record is None


def test_an_endpoint_that_does_not_rotate_leaves_the_refresh_token_as_it_is():
    credentials = issued(Credentials(refresh()))
    assert sent_refresh_token(credentials) == "configured"


def recorded(lifetime=900.0):
    credentials = Credentials(refresh())
    credentials.issue(Token(access_token="a1", lifetime_seconds=lifetime, refresh_token="r1"), 5.0, WALL)
    return credentials.record


def test_a_new_process_goes_on_with_the_pair_of_the_old_one():
    """A restart uses up no refresh token while the access token lives."""
    credentials = Credentials(refresh())
    credentials.restore(recorded(), 7.0, WALL + 100.0)
    assert not credentials.is_needed(7.0)
    assert credentials.sign(POLL).access_token == "a1"
    assert sent_refresh_token(credentials) == "r1"
    assert credentials.is_needed(7.0 + 800.0), "its end was not moved"


def test_an_access_token_that_ended_meanwhile_is_renewed_by_the_recorded_refresh_token():
    credentials = Credentials(refresh())
    credentials.restore(recorded(), 7.0, WALL + 901.0)
    assert credentials.is_needed(7.0)
    assert sent_refresh_token(credentials) == "r1"


def test_a_recorded_access_token_that_died_meanwhile_is_no_denial():
    credentials = Credentials(refresh())
    credentials.restore(recorded(), 7.0, WALL)
    assert polled(credentials, Reason.UNAUTHORIZED)


def test_a_system_clock_that_was_wrong_cannot_prolong_a_life_beyond_what_zendesk_grants():
    credentials = Credentials(refresh())
    credentials.restore(recorded(), 0.0, WALL - 10**9)
    polled(credentials)
    assert credentials.is_needed(172_800.0 - RENEWED_AHEAD_SECONDS_MAX)


def test_a_refresh_token_that_was_configured_anew_starts_afresh():
    credentials = Credentials(refresh("another"))
    credentials.restore(recorded(), 7.0, WALL)
    assert credentials.is_needed(7.0)
    assert sent_refresh_token(credentials) == "another"


def test_a_record_is_nothing_to_an_account_that_has_changed_its_grant():
    credentials = Credentials(CLIENT)
    credentials.restore(recorded(), 7.0, WALL)
    assert credentials.is_needed(7.0)


def test_a_record_that_cannot_be_read_leaves_the_configured_refresh_token():
    credentials = Credentials(refresh())
    credentials.restore(b"nonsense", 7.0, WALL)
    assert sent_refresh_token(credentials) == "configured"
