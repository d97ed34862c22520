"""The options of a mail server: together or not at all, and no password in the clear."""

from pathlib import Path
from typing import Any

import pytest

from hopsight.cli.smtp_options import smtp_config
from hopsight.config import SmtpConfig
from hopsight.errors import ConfigError


def options(**given: Any) -> dict[str, Any]:
    """All of them, with what a test gives."""
    names = ("host", "port", "user", "password_file", "ca_file", "mail_from")
    return dict.fromkeys(names) | {"security": "starttls"} | given


def test_without_any_there_is_no_mail_server() -> None:
    """The default."""
    assert smtp_config(**options()) is None


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_the_port_follows_the_encryption(security: str, port: int) -> None:
    """Unless one is given."""
    made = smtp_config(**options(host="mail.example", mail_from="a@example.org", security=security))
    assert isinstance(made, SmtpConfig)
    assert made.port == port
    other = smtp_config(**options(host="mail.example", mail_from="a@example.org", port=2525))
    assert other is not None
    assert other.port == 2525


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"mail_from": "a@example.org"}, "--smtp-host"),
        ({"host": "mail.example"}, "--mail-from"),
        ({"host": "mail.example", "mail_from": "nobody"}, "--mail-from"),
        ({"host": "mail.example", "mail_from": "a@b\r\nBcc: c@d"}, "--mail-from"),
        ({"host": "mail.example", "mail_from": "a@example.org", "user": "u"}, "--smtp-password-file"),
        (
            {"host": "m", "mail_from": "a@example.org", "user": "u", "password_file": Path("/nowhere")},
            "--smtp-password-file",
        ),
        ({"host": "m", "mail_from": "a@example.org", "ca_file": Path("/nowhere")}, "--smtp-ca"),
    ],
)
def test_what_does_not_fit_is_said_at_start(given: dict[str, Any], named: str) -> None:
    """With the option that is wrong or missing."""
    with pytest.raises(ConfigError, match=named):
        smtp_config(**options(**given))


def test_a_password_is_never_sent_in_the_clear(tmp_path: Path) -> None:
    """A user without encryption is refused before anything is connected; an empty file, too."""
    file = tmp_path / "password"
    file.write_text("correct horse\n", encoding="utf-8")
    given = options(host="mail.example", mail_from="a@example.org", user="u", password_file=file)
    with pytest.raises(ConfigError, match="in the clear"):
        smtp_config(**given | {"security": "none"})
    made = smtp_config(**given)
    assert made is not None
    assert "correct horse" not in repr(made)
    file.write_text("\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="not empty"):
        smtp_config(**given)
