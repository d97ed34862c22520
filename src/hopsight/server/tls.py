"""A certificate of our own, for servers that have no other; clients pin its fingerprint."""

import ipaddress
import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hopsight.clock import Clock
from hopsight.config import DAY_S
from hopsight.errors import ConfigError
from hopsight.pinning import CERTIFICATE_FILE

KEY_FILE: Final = "tls-key.pem"
LIFETIME: Final = timedelta(days=3650)
RENEW_BEFORE_S: Final = 30 * DAY_S


def fingerprint_of(certificate: Path) -> str:
    """SHA-256 of a PEM certificate, in lower-case hex: what a connection string carries.

    Raises:
        ConfigError: the file is no certificate.
    """
    return _read(certificate).fingerprint(hashes.SHA256()).hex()


def self_signed(data: Path, clock: Clock) -> tuple[Path, Path]:
    """The certificate and key kept in ``data``; made anew when there are none, or they soon expire.

    Raises:
        ConfigError: what is kept there is no certificate.
    """
    certificate, key = data / CERTIFICATE_FILE, data / KEY_FILE
    if not (certificate.exists() and key.exists() and _lasts(certificate, clock)):
        _make(certificate, key, datetime.fromtimestamp(clock.now(), UTC))
    return certificate, key


def _lasts(certificate: Path, clock: Clock) -> bool:
    return _read(certificate).not_valid_after_utc.timestamp() - clock.now() > RENEW_BEFORE_S


def _read(certificate: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(certificate.read_bytes())
    except ValueError:
        # Not made anew unasked: clients may have pinned the one that should be there.
        accepted = f"a PEM certificate (restore it, or remove it and {KEY_FILE} for new ones)"
        raise ConfigError("certificate", certificate, accepted) from None


def _make(certificate: Path, key: Path, now: datetime) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Hopsight, self-signed")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        # A day back: the clocks of clients are not all right.
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName(_names()), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    _write(key, private.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain), 0o600)
    _write(certificate, signed.public_bytes(pem), 0o644)


def _names() -> list[x509.GeneralName]:
    loopback = [x509.IPAddress(ipaddress.ip_address(text)) for text in ("127.0.0.1", "::1")]
    return [*(x509.DNSName(name) for name in dict.fromkeys(("localhost", socket.gethostname()))), *loopback]


def _write(path: Path, content: bytes, mode: int) -> None:
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
