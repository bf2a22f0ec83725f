"""The cluster's own certificate authority: it signs the certificate of the hosts port, one for each host, and that of
this machine's Ray processes, where they talk by TLS.

Nobody's clock is trusted but this machine's: hosts know the port's certificate by its fingerprint, and theirs are
looked at here. All of it lies in one folder (0700), keys with mode 0600.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from daybreak.files import write_private

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

VALID = datetime.timedelta(days=3650)
SKEW = datetime.timedelta(days=1)
MOST_REQUEST_BYTES = 8192
AUTHORITY, DOOR = "authority", "door"
LOOPBACK = ("127.0.0.1", "::1")
# A keeper's threads make them; each half of two pairs would open nothing.
_one_at_a_time = threading.Lock()


class Authority:
    """One cluster's; made when it is first needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ensure(self) -> None:
        """Make what is not there yet. Raises OSError."""
        with _one_at_a_time:
            self._ensure()

    def _ensure(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._certificate(AUTHORITY).exists():
            key = new_key()
            write_private(self._key(AUTHORITY), key_text(key), durable=True)
            write_private(self._certificate(AUTHORITY), _pem(_signed("daybreak", key.public_key(), None, key)))
        if not self._certificate(DOOR).exists():
            key = new_key()
            write_private(self._key(DOOR), key_text(key), durable=True)
            write_private(self._certificate(DOOR), _pem(self._sign("daybreak hosts", key.public_key(), server=True)))

    @property
    def certificate(self) -> bytes:
        """That of the hosts port (DER)."""
        return ssl.PEM_cert_to_DER_cert(self._certificate(DOOR).read_text())

    def node_files(self, address: str) -> tuple[Path, Path, Path]:
        """Certificate and key of this machine's Ray processes, and the authority's certificate."""
        name = f"node-{address}"
        return self._certificate(name), self._key(name), self._certificate(AUTHORITY)

    def ensure_node(self, address: str) -> None:
        """Make those that are not there yet. Raises OSError."""
        certificate, key_file, _ = self.node_files(address)
        with _one_at_a_time:
            self._ensure_node(address, certificate, key_file)

    def _ensure_node(self, address: str, certificate: Path, key_file: Path) -> None:
        if not certificate.exists():
            key = new_key()
            write_private(key_file, key_text(key), durable=True)
            write_private(certificate, _pem(self._sign("daybreak node", key.public_key(), server=True, at=address)))

    def issue(self, request: str, name: str, address: str) -> str:
        """A certificate (PEM) for a host that asks for one, good for its keeper and its Ray processes at that address.

        Raises ValueError where the request, or the address, is none.
        """
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import ec

        asked = x509.load_pem_x509_csr(request.encode()[:MOST_REQUEST_BYTES])
        key = asked.public_key()
        if not asked.is_signature_valid or not isinstance(key, ec.EllipticCurvePublicKey):
            raise ValueError("not a request that its own key has signed")
        return _pem(self._sign(name, key, server=False, at=address))

    def context(self) -> ssl.SSLContext:
        """For the port: who shows a certificate must have it from here; who joins has none yet."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(self._certificate(DOOR), self._key(DOOR))
        context.load_verify_locations(self._certificate(AUTHORITY))
        context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def _sign(
        self, name: str, key: ec.EllipticCurvePublicKey, *, server: bool, at: str | None = None
    ) -> x509.Certificate:
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        issuer = x509.load_pem_x509_certificate(self._certificate(AUTHORITY).read_bytes())
        signing = load_pem_private_key(self._key(AUTHORITY).read_bytes(), None)
        assert isinstance(signing, ec.EllipticCurvePrivateKey)
        return _signed(name, key, issuer, signing, server=server, at=at)

    def _certificate(self, name: str) -> Path:
        return self._folder / f"{name}.pem"

    def _key(self, name: str) -> Path:
        return self._folder / f"{name}.key"


def new_key() -> ec.EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def key_text(key: ec.EllipticCurvePrivateKey) -> str:
    from cryptography.hazmat.primitives import serialization as forms

    return key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption()).decode()


def request_of(key: ec.EllipticCurvePrivateKey, name: str) -> str:
    """What a host asks for a certificate with (PEM)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding

    made = x509.CertificateSigningRequestBuilder().subject_name(_name(name)).sign(key, hashes.SHA256())
    return made.public_bytes(Encoding.PEM).decode()


def _signed(
    name: str,
    key: ec.EllipticCurvePublicKey,
    issuer: x509.Certificate | None,
    signing: ec.EllipticCurvePrivateKey,
    *,
    server: bool = False,
    at: str | None = None,
) -> x509.Certificate:
    """Without an issuer one that signs itself: the authority's, which is good for nothing but signing. `at` is the
    address of a machine: what runs there is server and client at once, and reached on loopback, too."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID

    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(
        issuer.subject if issuer else _name(name),
        _name(name),
        key,
        x509.random_serial_number(),
        now - SKEW,
        now + VALID,
    )
    builder = builder.add_extension(x509.BasicConstraints(issuer is None, 0 if issuer is None else None), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    by = x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key())
    builder = builder.add_extension(by, critical=False)
    if issuer is not None:
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        uses = both if at else both[:1] if server else both[1:]
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    if at:
        addresses = [x509.IPAddress(ipaddress.ip_address(each)) for each in dict.fromkeys((at, *LOOPBACK))]
        names = [x509.DNSName("localhost"), *addresses]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signing, hashes.SHA256())


def _name(name: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(certificate: x509.Certificate) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM).decode()
