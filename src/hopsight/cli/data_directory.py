"""Where our files are: the option that says so, and what the server left there."""

from pathlib import Path
from typing import Annotated, Final

import typer

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="HOPSIGHT_DATA",
        file_okay=False,
        help="Directory of what Hopsight keeps. Default: hopsight in the user's data directory.",
        show_default=False,
    ),
]

CERTIFICATE_NAME: Final = "tls-cert.pem"


def data_directory(chosen: Path | None) -> Path:
    """The directory asked for, or the user's own."""
    if chosen is not None:
        return chosen
    import platformdirs

    return platformdirs.user_data_path("hopsight")


def own_fingerprint(data: Path) -> str | None:
    """SHA-256, in hex, of the certificate that a server made for itself in ``data``; None: it has made none.

    Raises:
        ConfigError: the file is there, but is no certificate.
    """
    import hashlib
    import ssl

    from hopsight.errors import ConfigError

    path = data / CERTIFICATE_NAME
    try:
        certificate = ssl.PEM_cert_to_DER_cert(path.read_text(encoding="ascii").strip())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError("certificate", path, f"a readable file ({error.strerror})") from None
    except ValueError:
        raise ConfigError("certificate", path, "a PEM certificate") from None
    return hashlib.sha256(certificate).hexdigest()
