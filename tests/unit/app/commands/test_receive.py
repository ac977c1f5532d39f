import pytest

from relay.app.commands import receive
from relay.errors import ConfigError

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PRIVATE = "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk="
PUBLIC = "whpk_ZlN4eg7dSSqi0moX9hQUk3orrOouK3QVQSlJa248c/g="


@pytest.mark.parametrize(
    ("secret", "why"), [("s3cret", "starts with whsec_ or whpk_"), (PRIVATE, "a receiver verifies with whpk_")]
)
def test_what_cannot_verify_is_refused_without_showing_it(secret, why):
    with pytest.raises(ConfigError, match=f"--secret: .*{why}") as caught:
        receive.run(host="127.0.0.1", port=0, secrets=[secret], as_json=False, environment_secret=None)
    assert secret not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "shown"),
    [([], None), ([SECRET], "${RELAY_WEBHOOK_SECRET}"), ([PUBLIC], "whsk_…"), ([PUBLIC, SECRET], "whsk_…")],
)
def test_of_a_secret_that_was_given_the_hint_says_only_what_goes_in_its_place(given, shown):
    assert receive._shown(given) == shown
