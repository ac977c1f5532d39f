from relay.app.commands.secret import fresh_secret
from relay.core.signing import Secret


def test_a_secret_can_sign_and_is_never_the_same():
    first, second = fresh_secret(), fresh_secret()
    assert len(Secret.parse(first).key) == 32
    assert first != second
