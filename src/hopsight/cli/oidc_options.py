"""The options of ``hopsight server`` for an identity provider."""

from pathlib import Path
from typing import Annotated

import typer

from hopsight.config import OidcConfig
from hopsight.errors import ConfigError

OidcIssuerOption = Annotated[
    str | None,
    typer.Option(
        envvar="HOPSIGHT_OIDC_ISSUER",
        metavar="URL",
        help="OpenID Connect provider that people may sign in with; needs --public-url.",
        show_default=False,
    ),
]
OidcClientIdOption = Annotated[
    str | None,
    typer.Option(
        envvar="HOPSIGHT_OIDC_CLIENT_ID", help="What the provider calls this server.", show_default=False
    ),
]
OidcClientSecretOption = Annotated[
    Path | None,
    typer.Option(
        envvar="HOPSIGHT_OIDC_CLIENT_SECRET_FILE",
        metavar="FILE",
        help="File with the secret that this server shows the provider.",
        show_default=False,
    ),
]


def oidc_config(
    issuer: str | None, client_id: str | None, client_secret_file: Path | None
) -> OidcConfig | None:
    """The provider out of the options; None: none of them was given.

    Raises:
        ConfigError: some of them were.
    """
    if issuer is None and client_id is None and client_secret_file is None:
        return None
    if not issuer or not client_id or client_secret_file is None:
        accepted = "--oidc-issuer, --oidc-client-id and --oidc-client-secret-file together, or none of them"
        raise ConfigError("single sign-on", issuer or client_id or client_secret_file, accepted)
    return OidcConfig(issuer=issuer, client_id=client_id, client_secret_file=client_secret_file)
