"""Whom a TLS connection trusts: the system's authorities, or those of a file that somebody named."""

import ssl
from pathlib import Path

from hopsight.errors import ConfigError


def trusting(ca_file: Path | None, setting: str) -> ssl.SSLContext:
    """A context for a client, which checks certificates and names.

    Args:
        ca_file: PEM of the authorities; None: the system's.
        setting: what the file was named in, for the message.

    Raises:
        ConfigError: it cannot be read, or holds no certificates.
    """
    if ca_file is None:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError:
        raise ConfigError(setting, ca_file, "PEM certificates") from None
    except OSError as error:
        raise ConfigError(setting, ca_file, f"a readable file ({error.strerror})") from None
