"""A certificate of our own."""

import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509

from hopsight.errors import ConfigError
from hopsight.pinning import CERTIFICATE_FILE
from hopsight.server.tls import KEY_FILE, LIFETIME, fingerprint_of, self_signed
from hopsight.testing import FakeClock


def test_it_is_made_once_and_its_key_is_ours_alone(tmp_path: Path) -> None:
    """The second start finds what the first one made: clients have pinned it."""
    clock = FakeClock()
    first = fingerprint_of(self_signed(tmp_path, clock)[0])
    assert fingerprint_of(self_signed(tmp_path, clock)[0]) == first
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600


def test_it_is_renewed_before_it_expires(tmp_path: Path) -> None:
    """A server that runs for ten years does not stop being reached."""
    clock = FakeClock()
    first = fingerprint_of(self_signed(tmp_path, clock)[0])
    clock.advance(LIFETIME.total_seconds() - 29 * 86_400)
    assert fingerprint_of(self_signed(tmp_path, clock)[0]) != first


def test_it_names_this_machine_and_fits_its_key(tmp_path: Path) -> None:
    """Clients on the machine itself can verify it with nothing but the file."""
    certificate, key = self_signed(tmp_path, FakeClock())
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    read = x509.load_pem_x509_certificate((tmp_path / CERTIFICATE_FILE).read_bytes())
    names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "localhost" in names.get_values_for_type(x509.DNSName)
    assert {str(address) for address in names.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "::1"}


def test_a_damaged_one_is_not_replaced_unasked(tmp_path: Path) -> None:
    """Clients have pinned what should be there: the error names the file and the ways out."""
    self_signed(tmp_path, FakeClock())
    (tmp_path / CERTIFICATE_FILE).write_text("damaged")

    with pytest.raises(ConfigError, match=CERTIFICATE_FILE):
        self_signed(tmp_path, FakeClock())
