import base64
import json
from datetime import UTC, datetime

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st

from relay.core.signing import Secret, SecretError, VerificationError, sign, verify
from relay.errors import RelayError

WRITTEN = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECRET = Secret.parse(WRITTEN)
OTHER = Secret(key=b"o" * 32)
MESSAGE_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP = 1614265330
BODY = b'{"test": 2432232314}'
KNOWN = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def headers(signature=KNOWN, timestamp=str(TIMESTAMP), message_id=MESSAGE_ID):
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": signature}


def test_the_known_answer_of_standard_webhooks():
    assert sign([SECRET], MESSAGE_ID, TIMESTAMP, BODY) == KNOWN


@given(st.binary(min_size=24, max_size=64), st.text(max_size=200), st.integers(0, 2**33))
def test_signatures_are_those_of_the_reference_library(key, text, timestamp):
    """For any key, body and time; the reference implementation signs text."""
    reference = standardwebhooks.Webhook(base64.b64encode(key).decode())
    expected = reference.sign(MESSAGE_ID, datetime.fromtimestamp(timestamp, UTC), text)
    assert sign([Secret(key=key)], MESSAGE_ID, timestamp, text.encode()) == expected


def test_every_secret_signs_so_that_keys_can_rotate():
    both = sign([SECRET, OTHER], MESSAGE_ID, TIMESTAMP, BODY)
    assert both.split()[0] == KNOWN
    for holder in ([SECRET], [OTHER], [OTHER, SECRET]):
        verify(holder, headers(both), BODY, now=TIMESTAMP)


@given(st.binary(min_size=24, max_size=64))
def test_a_written_secret_is_read_with_and_without_padding(key):
    encoded = base64.b64encode(key).decode()
    assert Secret.parse(f"whsec_{encoded}") == Secret(key=key)
    assert Secret.parse(f"whsec_{encoded.rstrip('=')}") == Secret(key=key)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "starts with whsec_"),
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "starts with whsec_"),
        ("whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "starts with whsec_"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZ!o2LaLaSw", "not base64"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LäLaSw", "not base64"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwA", "not base64"),
        ("whsec_", "holds 0"),
        ("whsec_" + base64.b64encode(b"k" * 23).decode(), "holds 23"),
        ("whsec_" + base64.b64encode(b"k" * 65).decode(), "holds 65"),
    ],
)
def test_a_bad_secret_is_refused_with_a_reason_that_does_not_show_it(text, why):
    with pytest.raises(SecretError, match=why) as caught:
        Secret.parse(text)
    assert isinstance(caught.value, RelayError)
    assert isinstance(caught.value, ValueError)  # what validation libraries collect
    assert len(text) < 10 or text[6:] not in str(caught.value)


def test_a_secret_does_not_print():
    assert repr(SECRET) == str(SECRET) == "Secret()"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"signature": ""}, "missing"),
        ({"message_id": ""}, "missing"),
        ({"timestamp": ""}, "missing"),
        ({"timestamp": "yesterday"}, "whole number"),
        ({"timestamp": "-1"}, "whole number"),
        ({"timestamp": "²"}, "whole number"),
        ({"timestamp": str(TIMESTAMP - 301)}, "more than 300 s"),
        ({"timestamp": str(TIMESTAMP + 301)}, "more than 300 s"),
        ({"timestamp": "9" * 400}, "more than 300 s"),
        ({"timestamp": str(TIMESTAMP + 1)}, "no signature"),
        ({"message_id": "msg_other"}, "no signature"),
        ({"message_id": "\udcff"}, "no signature"),
        ({"signature": "v1,"}, "no signature"),
        ({"signature": "v1,\udcff"}, "no signature"),
        ({"signature": KNOWN.replace("v1", "v1a")}, "no signature"),
        ({"signature": f"{KNOWN[:-3]}AA="}, "no signature"),
    ],
)
def test_what_is_not_signed_like_this_is_refused(changed, why):
    with pytest.raises(VerificationError, match=why):
        verify([SECRET], headers(**changed), BODY, now=TIMESTAMP)


def test_another_body_or_secret_is_refused():
    with pytest.raises(VerificationError):
        verify([SECRET], headers(), BODY + b" ", now=TIMESTAMP)
    with pytest.raises(VerificationError):
        verify([OTHER], headers(), BODY, now=TIMESTAMP)


def test_the_time_may_differ_by_the_tolerance():
    verify([SECRET], headers(), BODY, now=TIMESTAMP + 300)
    verify([SECRET], headers(), BODY, now=TIMESTAMP - 9, tolerance_seconds=10)
    with pytest.raises(VerificationError):
        verify([SECRET], headers(), BODY, now=TIMESTAMP - 11, tolerance_seconds=10)


def test_the_reference_library_accepts_what_we_sign():
    now = int(datetime.now(UTC).timestamp())
    signed = headers(sign([OTHER, SECRET], MESSAGE_ID, now, BODY), str(now))
    assert standardwebhooks.Webhook(WRITTEN).verify(BODY, signed) == json.loads(BODY)
