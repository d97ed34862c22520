"""The certificate that a server made for itself, as its clients know it: by its fingerprint."""

import hashlib
import ssl
from pathlib import Path
from typing import Final

from hopsight.errors import ConfigError

CERTIFICATE_FILE: Final = "tls-cert.pem"
"""Where it is, in the server's data directory."""


def own_fingerprint(data: Path) -> str | None:
    """SHA-256, in hex, of the certificate that a server made for itself in ``data``; None: it has made none.

    Raises:
        ConfigError: the file is there, but is no certificate.
    """
    path = data / CERTIFICATE_FILE
    try:
        certificate = ssl.PEM_cert_to_DER_cert(path.read_text(encoding="ascii").strip())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError("certificate", path, f"a readable file ({error.strerror})") from None
    except ValueError:
        raise ConfigError("certificate", path, "a PEM certificate") from None
    return hashlib.sha256(certificate).hexdigest()
