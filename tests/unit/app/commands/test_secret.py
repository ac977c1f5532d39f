import subprocess

from relay.app.commands import secret
from relay.app.commands.secret import fresh_pair, fresh_secret
from relay.core.signing import Secret, signer, verifier


def test_a_secret_can_sign_and_is_never_the_same():
    first, second = fresh_secret(), fresh_secret()
    assert len(Secret.parse(first).key) == 32
    assert first != second


def test_a_pair_of_keys_fits_together_and_is_never_the_same():
    first, second = (dict(line.split("=", 1) for line in fresh_pair().splitlines()) for _ in range(2))
    assert signer(first["private_key"]).public == verifier(first["public_key"])
    assert first["private_key"] != second["private_key"]


def test_a_shell_takes_the_pair_as_it_is_printed(capsys):
    assert secret.run(asymmetric=True) == 0
    printed = capsys.readouterr().out
    script = f'{printed}\necho "$private_key $public_key"'
    private, public = subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True).stdout.split()
    assert signer(private).public == verifier(public)


def test_only_the_secret_is_printed(capsys):
    assert secret.run(asymmetric=False) == 0
    assert Secret.parse(capsys.readouterr().out.removesuffix("\n"))
