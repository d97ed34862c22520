"""``hopsight server``: settings that do not go together are said before anything starts."""

from pathlib import Path
from typing import Any

import pytest

from hopsight.cli.server import server
from hopsight.errors import ConfigError


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"tls_cert": Path("cert.pem")}, r"--tls-cert and --tls-key.*'cert.pem'.*both"),
        ({"tls_key": Path("key.pem")}, r"--tls-cert and --tls-key.*'key.pem'.*both"),
        (
            {"tls_cert": Path("cert.pem"), "tls_key": Path("key.pem"), "tls_self_signed": True},
            r"--tls-self-signed.*one of the two",
        ),
        ({"keep": "0d"}, r"--keep.*'0d'.*90d"),
        ({"keep": "90"}, r"--keep.*'90'"),
        ({"listen": "8480"}, r"--listen.*'8480'.*HOST:PORT"),
        ({"listen": "::1:8480"}, r"--listen.*\[IPV6\]:PORT"),
        ({"oidc_issuer": "https://id.example"}, r"single sign-on.*--oidc-client-id and .* together"),
        ({"oidc_client_secret_file": Path("x")}, r"single sign-on.*together"),
        ({"public_url": "hopsight.example"}, r"--public-url.*https://"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_accepted(
    tmp_path: Path, given: dict[str, Any], named: str
) -> None:
    """One error names the option, what it was given, and what it takes."""
    settings: dict[str, Any] = {"data": tmp_path, "listen": "127.0.0.1:0"} | given
    with pytest.raises(ConfigError, match=named):
        server(**settings)
