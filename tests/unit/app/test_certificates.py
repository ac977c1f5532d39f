"""Files of certificates: what is made of them, what is said of bad ones, when they are read again."""

import ssl

import pytest
from authority import Authority

from relay.app.certificates import Certificates, tls_context
from relay.config.sinks import LogSink, WebhookSink
from relay.errors import ConfigError


def webhook(**fields):
    section = {"name": "orders", "kind": "webhook", "url": "https://orders.example.com", **fields}
    return WebhookSink.model_validate({**section, "secrets": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]})


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def test_without_files_nothing_special_is_made():
    assert tls_context(webhook()) is None


def test_a_ca_file_is_trusted_instead_of_the_systems(authority):
    context = tls_context(webhook(ca_file=str(authority.ca_file)))
    assert [dict(one["subject"][0])["commonName"] for one in context.get_ca_certs()] == ["an authority"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_a_client_certificate_alone_keeps_the_systems_authorities(authority):
    context = tls_context(webhook(client_cert_file=str(authority.issue("client"))))
    assert context.cert_store_stats() == ssl.create_default_context().cert_store_stats()


@pytest.mark.parametrize("key", ["ca_file", "client_cert_file"])
@pytest.mark.parametrize(
    ("content", "why"), [(None, "cannot be read: No such file"), (b"", "must hold"), (b"x", "must hold")]
)
def test_a_bad_file_is_told_with_its_key_and_path(tmp_path, key, content, why):
    path = tmp_path / "bad.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        tls_context(webhook(**{key: str(path)}))
    assert str(caught.value).startswith(f"sinks.orders.{key}: {path} {why}")


def test_a_folder_is_not_a_file(tmp_path):
    for key in ("ca_file", "client_cert_file"):
        with pytest.raises(ConfigError, match=key):
            tls_context(webhook(**{key: str(tmp_path)}))


def test_a_certificate_without_its_key_is_refused(authority):
    with pytest.raises(ConfigError, match="must hold a certificate and its key, both in PEM"):
        tls_context(webhook(client_cert_file=str(authority.ca_file)))


def test_a_certificate_with_the_key_of_another_is_refused(authority, tmp_path):
    key, certificate = (authority.issue(name).read_bytes().partition(b"-----BEGIN CERT") for name in ("a", "b"))
    mixed = tmp_path / "mixed.pem"
    mixed.write_bytes(key[0] + b"".join(certificate[1:]))
    with pytest.raises(ConfigError, match="its key that belong together"):
        tls_context(webhook(client_cert_file=str(mixed)))


def test_a_key_with_a_password_is_refused_and_nobody_is_asked_for_it(authority):
    with pytest.raises(ConfigError, match="must hold a key without a password"):
        tls_context(webhook(client_cert_file=str(authority.issue("client", password=b"s3cret"))))


class TestCertificates:
    def test_only_sinks_with_files_are_looked_at(self):
        assert Certificates([LogSink(kind="log", name="console"), webhook()]).look() == []

    def test_files_are_read_again_when_they_change(self, authority):
        certificates = Certificates([webhook(client_cert_file=str(authority.issue("client")))])
        (first,) = certificates.look()
        assert certificates.look() == []
        authority.issue("client")
        (second,) = certificates.look()
        assert (first.sink, second.sink) == ("orders", "orders")
        assert first.context is not second.context
        assert certificates.look() == []

    def test_a_file_that_another_takes_the_place_of_is_read_again(self, authority, tmp_path):
        """As a mounted secret changes: by a link that leads elsewhere."""
        link = tmp_path / "link.pem"
        link.symlink_to(authority.issue("old"))
        certificates = Certificates([webhook(client_cert_file=str(link))])
        certificates.look()
        (tmp_path / "new.link").symlink_to(authority.issue("new"))
        (tmp_path / "new.link").replace(link)
        assert [one.trouble for one in certificates.look()] == [None]

    def test_a_file_in_trouble_is_tried_again_until_it_is_good(self, authority):
        path = authority.issue("client")
        certificates = Certificates([webhook(client_cert_file=str(path))])
        certificates.look()
        path.write_bytes(b"half")
        (once,), (again,) = certificates.look(), certificates.look()
        assert once == again
        assert (once.context, "must hold" in once.trouble) == (None, True)
        authority.issue("client")
        assert [one.trouble for one in certificates.look()] == [None]
        assert certificates.look() == []
