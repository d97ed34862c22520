"""Files of TLS for servers on the loopback, as an organization with an authority of its own has them."""

from pathlib import Path

import trustme


def write_tls_files(directory: Path) -> None:
    """A certificate of ``localhost`` and its key; its authority (``ca.pem``), and another one."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(directory / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(directory / "certificate.pem")
    authority.cert_pem.write_to_path(directory / "ca.pem")
    trustme.CA().cert_pem.write_to_path(directory / "other.pem")
