import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.tokens import (
    LIFETIME_SECONDS,
    LIFETIME_SECONDS_MAX,
    LIFETIME_SECONDS_MIN,
    ClientCredentials,
    RefreshToken,
    Token,
    TokenRecord,
    decipher_token,
    decode_record,
    encode_record,
    token_request,
)
from relay.core.zendesk import NoResponse, Response
from relay.errors import Reason, Undecipherable

CLIENT = ClientCredentials(client_id="relay", client_secret="cl13nt-s3cr3t", scope="read")
REFRESH = RefreshToken(client_id="relay", client_secret="cl13nt-s3cr3t", refresh_token="r3fr3sh-0")
SECRETS = ("cl13nt-s3cr3t", "r3fr3sh-0", "4cc3ss")


def deciphered(status, document, **headers):
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    response = Response(
        status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}, body=body
    )
    return decipher_token(token_request(REFRESH, "r3fr3sh-0"), response, 0.0)


def test_client_credentials_are_sent_as_zendesk_documents_them():
    assert orjson.loads(token_request(CLIENT).body) == {
        "grant_type": "client_credentials",
        "client_id": "relay",
        "client_secret": "cl13nt-s3cr3t",
        "scope": "read",
    }


def test_the_newest_refresh_token_is_sent_not_the_configured_one():
    assert orjson.loads(token_request(REFRESH, "r3fr3sh-7").body) == {
        "grant_type": "refresh_token",
        "client_id": "relay",
        "client_secret": "cl13nt-s3cr3t",
        "refresh_token": "r3fr3sh-7",
    }


def test_a_token_is_read_with_its_life_and_its_successor():
    answer = deciphered(
        200,
        {"access_token": "4cc3ss", "token_type": "bearer", "scope": "read", "expires_in": 300, "refresh_token": "next"},
        ratelimit_remaining="17",
    )
    assert answer.token == Token(access_token="4cc3ss", lifetime_seconds=300.0, refresh_token="next")
    assert (answer.reply.reason, answer.reply.rate.remaining) == (None, 17)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (1_800, 1_800.0),
        (300.5, 300.5),
        ("7200", 7_200.0),
        (172_800, 172_800.0),
        (10**9, LIFETIME_SECONDS_MAX),
        (0, LIFETIME_SECONDS_MIN),
        (-5, LIFETIME_SECONDS_MIN),
        (None, LIFETIME_SECONDS),
        (True, LIFETIME_SECONDS),
        ("soon", LIFETIME_SECONDS),
        ("nan", LIFETIME_SECONDS),
        ("inf", LIFETIME_SECONDS),
        ("9" * 400, LIFETIME_SECONDS),
        ([1], LIFETIME_SECONDS),
    ],
)
def test_a_life_is_bounded_and_half_an_hour_where_it_is_not_said(said, seconds):
    assert deciphered(200, {"access_token": "4cc3ss", "expires_in": said}).token.lifetime_seconds == seconds


@pytest.mark.parametrize("odd", [None, "", 7, "two words", "line\r\nbreak", "ümlaut", "x" * 4_097])
def test_what_cannot_stand_in_a_header_is_no_token(odd):
    answer = deciphered(200, {"access_token": odd, "refresh_token": "next"})
    assert (answer.token, answer.reply.reason) == (None, Reason.UNREADABLE)
    assert deciphered(200, {"access_token": "4cc3ss", "refresh_token": odd}).token.refresh_token is None


@pytest.mark.parametrize(
    ("status", "document", "reason"),
    [
        (401, {"error": "invalid_client"}, Reason.UNAUTHORIZED),
        (400, {"error": "invalid_grant"}, Reason.UNAUTHORIZED),
        (400, {"error": "invalid_scope"}, Reason.UNAUTHORIZED),
        (400, {"error": "unauthorized_client"}, Reason.UNAUTHORIZED),
        (403, {"error": "access_denied"}, Reason.UNAUTHORIZED),
        (401, b"<html>", Reason.UNAUTHORIZED),
        (403, b"", Reason.FORBIDDEN),
        (400, {"error": "invalid_request"}, Reason.REFUSED),
        (400, {"error": {"title": "Bad Request"}}, Reason.REFUSED),
        (404, b"No help desk at this address", Reason.UNREADABLE),
        (302, b"", Reason.REDIRECT),
        (429, {"error": "invalid_client"}, Reason.RATE_LIMITED),
        (500, {"error": "invalid_client"}, Reason.SERVER_ERROR),
        (503, b"maintenance", Reason.SERVER_ERROR),
        (204, b"", Reason.UNREADABLE),
        (200, b'{"access_token": "4cc3ss', Reason.UNREADABLE),
        (200, b"[]", Reason.UNREADABLE),
    ],
)
def test_a_refusal_has_the_reason_that_decides_what_follows(status, document, reason):
    """Denied, throttled, or an outage: each has a pause of its own."""
    answer = deciphered(status, document)
    assert (answer.token, answer.reply.reason) == (None, reason)


def test_a_refusal_tells_how_long_to_wait():
    assert deciphered(429, b"", retry_after="93").reply.retry_after_seconds == 93.0


def test_what_zendesk_said_is_told_with_what_to_do():
    said = "The provided access grant is invalid, expired, or revoked (e.g. invalid assertion, expired authorization"
    detail = deciphered(400, {"error": "invalid_grant", "error_description": 3 * said}).reply.detail
    assert detail.startswith("/oauth/tokens: HTTP 400; invalid_grant: The provided access grant is invalid")
    assert detail.endswith("; the refresh token is used up, expired or revoked: configure a new one")


def test_no_answer_keeps_its_reason():
    reply = decipher_token(token_request(CLIENT), NoResponse(reason=Reason.TLS, detail="self-signed"), 0.0).reply
    assert (reply.reason, reply.detail) == (Reason.TLS, "/oauth/tokens: self-signed")


@pytest.mark.parametrize("status", [200, 400, 401, 500])
@pytest.mark.parametrize(
    "document",
    [
        {"error": "r3fr3sh-0 is unknown", "error_description": "client_secret=cl13nt-s3cr3t"},
        {"token": "4cc3ss"},
        b'{"access_token": "4cc3ss", ',
        b"cl13nt-s3cr3t r3fr3sh-0 4cc3ss",
    ],
)
def test_no_secret_is_repeated_however_the_reply_does(status, document):
    text = repr(deciphered(status, document))
    assert not [secret for secret in SECRETS if secret in text]


def test_no_secret_is_printed():
    record = TokenRecord(refresh_token="r3fr3sh-0", access_token="4cc3ss", expires_at=1.0, descends_from="x")
    answer = deciphered(200, {"access_token": "4cc3ss", "refresh_token": "r3fr3sh-0"})
    text = repr([CLIENT, REFRESH, token_request(REFRESH, "r3fr3sh-0"), record, answer])
    assert not [secret for secret in SECRETS if secret in text]


@given(
    status=st.integers(100, 599),
    headers=st.dictionaries(st.sampled_from(["retry-after", "ratelimit-limit", "date", "x"]), st.text(max_size=40)),
    body=st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["access_token", "expires_in", "refresh_token", "error", "error_description"]),
                    inner,
                )
            ),
            max_leaves=12,
        ).map(orjson.dumps),
    ),
)
def test_any_reply_is_a_token_or_a_reason(status, headers, body):
    answer = decipher_token(token_request(CLIENT), Response(status=status, headers=headers, body=body), 0.0)
    assert (answer.token is None) == (answer.reply.reason is not None)
    if answer.token is not None:
        assert LIFETIME_SECONDS_MIN <= answer.token.lifetime_seconds <= LIFETIME_SECONDS_MAX


def test_a_record_is_read_back():
    record = TokenRecord(
        refresh_token="r", access_token="a", expires_at=1_750_000_000.25, descends_from=REFRESH.fingerprint
    )
    assert decode_record(encode_record(record)) == record


@pytest.mark.parametrize("value", [b"", b"nonsense", b"[]", b"{}", b'{"v":2}', b'{"v":1}', b'{"v":1,"more":1}'])
def test_what_is_no_record_of_ours_is_told(value):
    with pytest.raises(Undecipherable):
        decode_record(value)


def test_a_fingerprint_tells_refresh_tokens_apart_without_giving_them_away():
    other = RefreshToken(client_id="relay", client_secret="another", refresh_token="r3fr3sh-1")
    assert REFRESH.fingerprint != other.fingerprint
    assert "r3fr3sh" not in REFRESH.fingerprint
