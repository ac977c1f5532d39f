import base64
import hmac
import json
from datetime import UTC, datetime

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st

from relay.core.signing import (
    PrivateKey,
    PublicKey,
    Secret,
    SecretError,
    VerificationError,
    sign,
    signer,
    verifier,
    verify,
)
from relay.errors import RelayError

WRITTEN = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECRET = Secret.parse(WRITTEN)
OTHER = Secret(key=b"o" * 32)
MESSAGE_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP = 1614265330
BODY = b'{"test": 2432232314}'
KNOWN = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

# Known answers for `v1a`. The first is Svix's own, whose keys are written as 64 bytes; the second is the one of the Go
# library in the specification's repository, where they are 32.
WRITTEN_KEY = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
WRITTEN_SEED = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc="
WRITTEN_PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
KNOWN_A = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
GO_SEED = "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk="
KNOWN_GO = "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag=="
PRIVATE = PrivateKey.parse(WRITTEN_KEY)
OTHER_PRIVATE = PrivateKey.parse(GO_SEED)


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


@pytest.mark.parametrize(("key", "known"), [(WRITTEN_KEY, KNOWN_A), (WRITTEN_SEED, KNOWN_A), (GO_SEED, KNOWN_GO)])
def test_the_known_answers_for_asymmetric_signatures(key, known):
    assert sign([signer(key)], MESSAGE_ID, TIMESTAMP, BODY) == known


RFC_8032 = [  # section 7.1, tests 1 to 3: seed, public key, message, signature
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
]


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032)
def test_the_vectors_of_rfc_8032(seed, public, message, signature):
    key = PrivateKey.parse("whsk_" + base64.b64encode(bytes.fromhex(seed)).decode())
    assert key.public.written() == "whpk_" + base64.b64encode(bytes.fromhex(public)).decode()
    assert key.sign(bytes.fromhex(message)) == "v1a," + base64.b64encode(bytes.fromhex(signature)).decode()
    assert key.public.verifies([key.sign(bytes.fromhex(message))], bytes.fromhex(message))


@given(st.binary(min_size=32, max_size=32))
def test_a_written_key_is_read_in_both_its_forms(seed):
    """As a seed, which is how we write it, and as a seed with its public key."""
    key = PrivateKey.parse("whsk_" + base64.b64encode(seed).decode())
    long = "whsk_" + base64.b64encode(seed + key.public.key.public_bytes_raw()).decode()
    assert PrivateKey.parse(long).written() == key.written() == "whsk_" + base64.b64encode(seed).decode()
    assert PublicKey.parse(key.public.written()) == key.public


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ((SECRET, SECRET), (OTHER, OTHER)),
        ((PRIVATE, PRIVATE.public), (OTHER_PRIVATE, OTHER_PRIVATE.public)),
        ((SECRET, SECRET), (PRIVATE, PRIVATE.public)),
    ],
    ids=["v1", "v1a", "v1 to v1a"],
)
def test_while_a_key_rotates_old_and_new_receivers_verify(old, new):
    """The sender goes from the old key to both, to the new one; a receiver goes at its own time in between."""
    signed = {name: headers(sign([key for key, _ in pairs], MESSAGE_ID, TIMESTAMP, BODY)) for name, pairs in
              {"before": [old], "meanwhile": [new, old], "after": [new]}.items()}  # fmt: skip
    holds = {"old": [old[1]], "new": [new[1]], "both": [old[1], new[1]]}
    accepted = {(sent, holder) for sent in signed for holder in holds if verified(holds[holder], signed[sent])}
    assert accepted == {
        ("before", "old"), ("before", "both"),
        ("meanwhile", "old"), ("meanwhile", "new"), ("meanwhile", "both"),
        ("after", "new"), ("after", "both"),
    }  # fmt: skip


def verified(keys, given, body=BODY, now=TIMESTAMP):
    try:
        verify(keys, given, body, now=now)
    except VerificationError:
        return False
    return True


@given(st.binary(min_size=24, max_size=64))
def test_a_written_secret_is_read_with_and_without_padding(key):
    encoded = base64.b64encode(key).decode()
    assert Secret.parse(f"whsec_{encoded}") == Secret(key=key)
    assert Secret.parse(f"whsec_{encoded.rstrip('=')}") == Secret(key=key)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "starts with whsec_"),
        ("wh", "starts with whsec_"),
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


@pytest.mark.parametrize(
    ("read", "text", "why"),
    [
        (signer, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "starts with whsec_ or whsk_"),
        (signer, WRITTEN_PUBLIC, "whpk_… is for receivers"),
        (signer, "whsk_", "this one holds 0"),
        (signer, "whsk_" + base64.b64encode(b"k" * 33).decode(), "this one holds 33"),
        (signer, "whsk_" + base64.b64encode(b"k" * 64).decode(), "not the public key of the first"),
        (signer, WRITTEN_SEED.replace("/", "!"), "not base64"),
        (verifier, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "starts with whsec_ or whpk_"),
        (verifier, WRITTEN_KEY, "whsk_… is for the sender"),
        (verifier, "whpk_" + base64.b64encode(b"k" * 31).decode(), "this one holds 31"),
        (PrivateKey.parse, WRITTEN, "starts with whsk_"),
        (PublicKey.parse, WRITTEN, "starts with whpk_"),
    ],
)
def test_a_key_of_the_wrong_kind_or_size_is_refused_without_showing_it(read, text, why):
    with pytest.raises(SecretError, match=why) as caught:
        read(text)
    assert text[5:] not in str(caught.value) or not text[5:]


def test_each_side_reads_its_own_kinds_of_keys():
    assert (signer(WRITTEN), verifier(WRITTEN)) == (SECRET, SECRET)
    assert signer(WRITTEN_KEY).public == verifier(WRITTEN_PUBLIC)


def test_a_secret_does_not_print():
    assert repr(SECRET) == str(SECRET) == "Secret()"
    assert repr(PRIVATE) == str(PRIVATE) == "PrivateKey()"


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


@pytest.mark.parametrize(
    "changed",
    [
        {"timestamp": str(TIMESTAMP + 1)},
        {"timestamp": str(TIMESTAMP - 301)},
        {"message_id": "msg_other"},
        {"signature": KNOWN_A.replace("v1a", "v1")},
        {"signature": KNOWN_A.replace("v1a", "v2a")},
        {"signature": KNOWN_A.replace("hnO3", "hnO4")},
        {"signature": "v1a,"},
        {"signature": "v1a"},
        {"signature": "v1a,!!!"},
        {"signature": "v1a,\udcff"},
        {"signature": KNOWN_GO},
    ],
)
def test_what_is_not_signed_with_this_private_key_is_refused(changed):
    assert verified([PRIVATE.public], headers(KNOWN_A))
    assert not verified([PRIVATE.public], headers(**{"signature": KNOWN_A, **changed}))


def test_a_changed_body_is_refused():
    assert not verified([PRIVATE.public], headers(KNOWN_A), BODY + b" ")
    assert not verified([SECRET], headers(), BODY.replace(b"test", b"Test"))


def test_signatures_of_other_versions_and_keys_are_passed_over():
    many = f"v9,x v1,AAAA {KNOWN_GO}  v1a,AAAA nonsense , {KNOWN_A} {KNOWN}"
    for key in (SECRET, PRIVATE.public, OTHER_PRIVATE.public):
        assert verified([key], headers(many))
    assert not verified([OTHER], headers(many))


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


@pytest.mark.parametrize("size", [0, 2_000, 2_047, 2_048, 4_094, 4_095, 65_536])
def test_a_body_of_any_length_has_one_signature(size):
    """It is hashed piece by piece, and the pieces must not show."""
    body = bytes(index % 251 for index in range(size))
    content = b"%b.%d.%b" % (MESSAGE_ID.encode(), TIMESTAMP, body)
    expected = base64.b64encode(hmac.digest(SECRET.key, content, "sha256")).decode()
    assert sign([SECRET], MESSAGE_ID, TIMESTAMP, body) == f"v1,{expected}"


def test_the_reference_library_accepts_what_we_sign():
    now = int(datetime.now(UTC).timestamp())
    signed = headers(sign([OTHER, SECRET], MESSAGE_ID, now, BODY), str(now))
    assert standardwebhooks.Webhook(WRITTEN).verify(BODY, signed) == json.loads(BODY)


def test_the_reference_library_passes_over_asymmetric_signatures():
    """Which it does not know yet: a receiver that uses it is not disturbed by a second key of the other kind."""
    now = int(datetime.now(UTC).timestamp())
    signed = headers(sign([PRIVATE, SECRET], MESSAGE_ID, now, BODY), str(now))
    assert standardwebhooks.Webhook(WRITTEN).verify(BODY, signed) == json.loads(BODY)
