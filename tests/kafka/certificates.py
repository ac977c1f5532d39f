"""A certificate authority of the tests' own, the broker's certificate and a client's, made anew for each run."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

VALID_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """PEM files. `server`: key and certificate in one file, as Kafka wants it."""

    authority: Path
    server: Path
    client_certificate: Path
    client_key: Path


def make(folder: Path, *, host: str, client: str) -> Certificates:
    """`host`: the address that the broker is reached at. `client`: the common name of the client's certificate."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _signed("tests", authority_key, "tests", authority_key, (_AUTHORITY,))
    server_key, client_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))])
    server = _signed("broker", server_key, "tests", authority_key, (names,))
    made = Certificates(
        authority=folder / "authority.pem",
        server=folder / "server.pem",
        client_certificate=folder / "client.pem",
        client_key=folder / "client-key.pem",
    )
    made.authority.write_bytes(_pem(authority))
    made.server.write_bytes(_pem_key(server_key) + _pem(server))
    made.client_certificate.write_bytes(_pem(_signed(client, client_key, "tests", authority_key, ())))
    made.client_key.write_bytes(_pem_key(client_key))
    return made


_AUTHORITY = x509.BasicConstraints(ca=True, path_length=0)


def _signed(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    extensions: Sequence[x509.ExtensionType],
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - VALID_FOR)
        .not_valid_after(now + VALID_FOR)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(issuer_key, hashes.SHA256())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
