"""The options of ``hopsight server`` and ``up`` for a mail server."""

from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from hopsight.config import SmtpConfig
from hopsight.errors import ConfigError, InvalidValueError

Security = Literal["starttls", "tls", "none"]

_PORTS: Final[dict[Security, int]] = {"starttls": 587, "tls": 465, "none": 25}
MAX_PORT: Final = 65_535

SmtpHostOption = Annotated[
    str | None,
    typer.Option(
        envvar="HOPSIGHT_SMTP_HOST",
        metavar="HOST",
        help="Mail server for the e-mails of alert rules; needs --mail-from.",
        show_default=False,
    ),
]
SmtpPortOption = Annotated[
    int | None,
    typer.Option(
        envvar="HOPSIGHT_SMTP_PORT",
        min=1,
        max=MAX_PORT,
        help="Its port. Default: 587, 465 with tls, 25 with none.",
        show_default=False,
    ),
]
SmtpSecurityOption = Annotated[
    Security,
    typer.Option(
        envvar="HOPSIGHT_SMTP_SECURITY",
        help="starttls (insisted on), tls (from the start), or none. Certificates are checked.",
    ),
]
SmtpUserOption = Annotated[
    str | None,
    typer.Option(envvar="HOPSIGHT_SMTP_USER", help="Who we are to the mail server.", show_default=False),
]
SmtpPasswordOption = Annotated[
    Path | None,
    typer.Option(
        envvar="HOPSIGHT_SMTP_PASSWORD_FILE",
        metavar="FILE",
        help="File with the password of --smtp-user.",
        show_default=False,
    ),
]
SmtpCaOption = Annotated[
    Path | None,
    typer.Option(
        envvar="HOPSIGHT_SMTP_CA",
        metavar="FILE",
        help="PEM of the authorities that its certificate may come from. Default: the system's.",
        show_default=False,
    ),
]
MailFromOption = Annotated[
    str | None,
    typer.Option(
        envvar="HOPSIGHT_MAIL_FROM",
        metavar="ADDRESS",
        help="The address that e-mails come from.",
        show_default=False,
    ),
]


def smtp_config(
    host: str | None,
    port: int | None,
    security: Security,
    user: str | None,
    password_file: Path | None,
    ca_file: Path | None,
    mail_from: str | None,
) -> SmtpConfig | None:
    """The mail server out of the options; None: none was given.

    Raises:
        ConfigError: they do not fit each other, or a file cannot be read.
    """
    others = {
        "--smtp-port": port,
        "--smtp-user": user,
        "--smtp-password-file": password_file,
        "--smtp-ca": ca_file,
        "--mail-from": mail_from,
    }
    given = [name for name, value in others.items() if value is not None]
    if not host:
        if given:
            raise ConfigError("mail server", given[0], "--smtp-host with it")
        return None
    if mail_from is None:
        raise ConfigError("--mail-from", "nothing", "an address that e-mails come from, with --smtp-host")
    if (user is None) != (password_file is None):
        given_one = user or password_file
        raise ConfigError("--smtp-user and --smtp-password-file", given_one, "both of them, or neither")
    if user is not None and security == "none":
        raise ConfigError("--smtp-security", security, "starttls or tls: a password is not sent in the clear")
    for name, file in (("--smtp-password-file", password_file), ("--smtp-ca", ca_file)):
        _require_text(name, file)
    return SmtpConfig(
        host=host,
        port=port or _PORTS[security],
        security=security,
        user=user,
        password_file=password_file,
        ca_file=ca_file,
        mail_from=_checked_sender(mail_from),
    )


def _checked_sender(mail_from: str) -> str:
    # Late: reading it loads more than most commands need.
    from hopsight.accounts.checks import checked_mailbox

    try:
        return checked_mailbox(mail_from)
    except InvalidValueError as error:
        raise ConfigError("--mail-from", mail_from, error.accepted) from None


def _require_text(name: str, file: Path | None) -> None:
    if file is None:
        return
    try:
        empty = not file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(name, file, f"a readable file ({type(error).__name__})") from None
    if empty:
        raise ConfigError(name, file, "a file that is not empty")
