"""A certificate authority for tests, and certificates that it vouches for."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM


class Authority:
    """`ca_file`: what to trust. All files are in `folder`."""

    def __init__(self, folder):
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = named("an authority")
        ca = x509.BasicConstraints(ca=True, path_length=None)
        self._certificate = self._sign(self._name, self._key.public_key(), (ca, True), (usage(signs=True), True))
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(self._certificate.public_bytes(PEM))

    def issue(self, name, *, hosts=("localhost", "127.0.0.1"), password=None, expired=False):
        """The path of a new certificate and its key, in one file."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([general(host) for host in hosts])
        began = datetime.now(UTC) - timedelta(hours=3 if expired else 1)
        certificate = self._sign(named(name), key.public_key(), (names, False), (usage(signs=False), True), began=began)
        path = self._folder / f"{name}.pem"
        path.write_bytes(written(key, password) + certificate.public_bytes(PEM))
        return path

    def server(self, *, clients=False):
        """For a server on loopback. `clients`: they need a certificate, too."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.issue("server"))
        if clients:
            context.load_verify_locations(self.ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _sign(self, subject, public_key, *extensions, began=None):
        """Valid for two hours."""
        began = began or datetime.now(UTC) - timedelta(hours=1)
        builder = x509.CertificateBuilder(
            issuer_name=self._name,
            subject_name=subject,
            public_key=public_key,
            serial_number=x509.random_serial_number(),
            not_valid_before=began,
            not_valid_after=began + timedelta(hours=2),
        )
        own = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        for extension, critical in (*extensions, (own, False)):
            builder = builder.add_extension(extension, critical=critical)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        return builder.sign(self._key, hashes.SHA256())


def named(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def general(host):
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def usage(*, signs):
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def written(key, password=None):
    protection = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, protection)
