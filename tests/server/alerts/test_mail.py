"""E-mail over real sockets, to a real mail server on loopback: encrypted, refused, put off, and dead."""

import asyncio
import email
import email.policy
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from msgspec import structs

from hopsight.config import SmtpConfig
from hopsight.server.alerts import mail
from hopsight.server.alerts.letters import letter
from hopsight.server.alerts.mail import MailClient
from hopsight.server.alerts.messages import CauseMessage, IncidentMessage, NotTakenError
from hopsight.testing import FakeClock

pytestmark = pytest.mark.anyio

ADDRESS = "Jane.Doe@example.org"
LINK = "https://hopsight.example/alerts/7?aid=1"
MESSAGE = IncidentMessage(
    event="opened", incident_id=7, aid=1, rule_id=2, rule_name="Café <b>München</b> & 東京",
    condition="loss over 5 %", text="3 agents fail.", cause=CauseMessage(dimension="bssid", value="b1"),
    failing_agents=3, time_s=1_490_529_480, link=LINK,
)  # fmt: skip


class MailServer:
    """A real mail server; ``answers`` are given to recipients, in order, then they are taken."""

    def __init__(self) -> None:
        self.port = 0
        self.taken: list[Envelope] = []
        self.encrypted: list[bool] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.answers: list[str] = []
        self.hangs = False

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take a recipient, or do what it was told to."""
        if self.hangs:
            await asyncio.sleep(30)
        if self.answers:
            return self.answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take a message."""
        self.taken.append(envelope)
        assert server.transport is not None
        self.encrypted.append(server.transport.get_extra_info("ssl_object") is not None)
        return "250 OK"

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any
    ) -> AuthResult:
        """Let one user in."""
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"pass-w\xc3\xb6rd", handled=False)

    def message(self) -> EmailMessage:
        """The one that was taken."""
        (envelope,) = self.taken
        assert isinstance(envelope.content, bytes)
        made = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(made, EmailMessage)
        return made


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who vouches for the mail server's name."""
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def context_of(authority: trustme.CA, name: str = "localhost") -> ssl.SSLContext:
    """The mail server's certificate."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(made)
    return made


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[MailServer]:
    """A mail server on loopback; ``implicit``: encrypted from the start."""
    made, implicit = MailServer(), options.pop("implicit", None)
    loop = asyncio.get_running_loop()

    def build() -> SMTP:
        return SMTP(made, hostname="mail.example", loop=loop, authenticator=made.authenticate, **options)

    server = await loop.create_server(build, "127.0.0.1", 0, ssl=implicit)
    made.port = server.sockets[0].getsockname()[1]
    try:
        # A client says who it is; who that is, no resolver is asked in tests.
        with patch("socket.getfqdn", lambda: "client.example"):
            yield made
    finally:
        server.close()


def config_of(server: MailServer, **settings: Any) -> SmtpConfig:
    """How to reach it."""
    made = SmtpConfig(host="localhost", port=server.port, mail_from="hopsight@example.org", security="none")
    return structs.replace(made, **settings)


async def send(config: SmtpConfig, message: IncidentMessage = MESSAGE) -> None:
    await MailClient(config, FakeClock()).send(ADDRESS, message, "delivery-1")


async def test_a_message_arrives_whole() -> None:
    """Text and HTML with the link, a date by the clock, the delivery's ID, and no machine's answer."""
    async with serving() as server:
        await send(config_of(server))
    found = server.message()
    text, html = (part.get_content() for part in found.iter_parts())
    assert (server.taken[0].mail_from, server.taken[0].rcpt_tos) == ("hopsight@example.org", [ADDRESS])
    assert (found["To"], found["From"], found["Auto-Submitted"]) == (
        ADDRESS, "hopsight@example.org", "auto-generated",
    )  # fmt: skip
    assert found["Message-ID"] == "<delivery-1@example.org>"
    assert found["Date"].datetime.timestamp() == FakeClock().now()
    assert found["Subject"] == f"Hopsight: {MESSAGE.rule_name}, incident 7 (opened)"
    assert "Opened: 3 agents fail." in text
    assert LINK in text
    assert f'<a href="{LINK}">' in html
    assert "&lt;b&gt;München&lt;/b&gt; &amp; 東京" in html
    assert "<b>" not in html


async def test_starttls_is_used_and_the_certificate_checked(authority: trustme.CA, ca_file: Path) -> None:
    """Encrypted before anything is said of whom it is for."""
    async with serving(tls_context=context_of(authority), require_starttls=True) as server:
        await send(config_of(server, security="starttls", ca_file=ca_file))
    assert server.encrypted == [True]


async def test_tls_from_the_start_is_used(authority: trustme.CA, ca_file: Path) -> None:
    """As port 465 has it."""
    async with serving(implicit=context_of(authority)) as server:
        await send(config_of(server, security="tls", ca_file=ca_file))
    assert server.encrypted == [True]


@pytest.mark.parametrize("fault", ["unknown authority", "another name", "no encryption"])
async def test_nothing_is_sent_to_who_may_be_somebody_else(
    authority: trustme.CA, ca_file: Path, fault: str
) -> None:
    """A certificate that does not fit, or none at all: tried again later, and no password is shown."""
    password_file = ca_file.with_name("password")
    password_file.write_text("pass-wörd\n", encoding="utf-8")
    name = "other.example" if fault == "another name" else "localhost"
    options = {} if fault == "no encryption" else {"tls_context": context_of(authority, name)}
    async with serving(auth_require_tls=False, **options) as server:
        config = config_of(
            server,
            security="starttls",
            ca_file=None if fault == "unknown authority" else ca_file,
            user="hopsight",
            password_file=password_file,
        )
        with pytest.raises(NotTakenError, match="cannot be used") as caught:
            await send(config)
    assert not caught.value.permanent
    assert (server.taken, server.logins) == ([], [])


@pytest.mark.parametrize(("password", "arrives"), [("pass-wörd", True), ("wrong", False)])
async def test_a_password_is_shown_over_encryption(
    authority: trustme.CA, ca_file: Path, password: str, arrives: bool
) -> None:
    """The right one is let in; with a wrong one it is tried again, as somebody will mend it."""
    password_file = ca_file.with_name("password")
    password_file.write_text(f"{password}\n", encoding="utf-8")
    async with serving(tls_context=context_of(authority), auth_required=True) as server:
        config = config_of(
            server, security="starttls", ca_file=ca_file, user="hopsight", password_file=password_file
        )
        if arrives:
            await send(config)
        else:
            with pytest.raises(NotTakenError, match="does not let us in") as caught:
                await send(config)
            assert not caught.value.permanent
            assert "wrong" not in str(caught.value)
    assert len(server.taken) == arrives
    assert {login for login, _ in server.logins} == {b"hopsight"}


@pytest.mark.parametrize(
    ("answer", "permanent"), [("451 4.7.1 Greylisted", False), ("550 5.1.1 Nobody", True)]
)
async def test_only_what_a_mail_server_refuses_for_good_is_given_up(answer: str, permanent: bool) -> None:
    """A 4xx is asked again, a 5xx is not; its text is not told, as it may be about people."""
    async with serving() as server:
        server.answers = [answer]
        with pytest.raises(NotTakenError, match=answer[:3]) as caught:
            await send(config_of(server))
        assert caught.value.permanent == permanent
        assert answer[4:] not in str(caught.value)
        await send(config_of(server))
    assert len(server.taken) == 1


async def test_a_mail_server_that_is_not_there_is_asked_again() -> None:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = SmtpConfig(
            host="127.0.0.1", port=listener.getsockname()[1], mail_from="a@example.org", security="none"
        )
        with pytest.raises(NotTakenError, match="cannot be used") as caught:
            await send(config)
    assert not caught.value.permanent


async def test_a_mail_server_that_hangs_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a time, and for another try."""
    monkeypatch.setattr(mail, "TIMEOUT_S", 0.3)
    async with serving() as server:
        server.hangs = True
        with pytest.raises(NotTakenError, match="cannot be used") as caught:
            await send(config_of(server))
    assert not caught.value.permanent


async def test_a_password_file_that_is_gone_is_a_fault_that_somebody_mends(
    authority: trustme.CA, ca_file: Path
) -> None:
    """The message waits; the path is not told to those who read incidents."""
    async with serving(tls_context=context_of(authority)) as server:
        gone = ca_file.with_name("gone")
        config = config_of(server, security="starttls", ca_file=ca_file, user="u", password_file=gone)
        with pytest.raises(NotTakenError, match=r"\(FileNotFoundError\)$") as caught:
            await send(config)
    assert not caught.value.permanent


@pytest.mark.parametrize(
    "name", ["Slow\r\nBcc: eve@example.org", "Slow\u2028Bcc: eve@example.org", "x" * 10_000]
)
def test_a_subject_is_one_line_of_bounded_length(name: str) -> None:
    """Whatever a rule is called, it adds no header."""
    made = letter(
        structs.replace(MESSAGE, rule_name=name),
        sender="a@example.org",
        address=ADDRESS,
        delivery_id="1",
        now_s=0,
    )
    parsed = email.message_from_bytes(made.as_bytes(), policy=email.policy.default)
    assert parsed["Bcc"] is None
    assert len(parsed["Subject"]) <= 150


def test_a_test_says_that_it_is_one() -> None:
    """In the subject, for whoever reads no further."""
    made = letter(
        structs.replace(MESSAGE, event="test"),
        sender="a@b.example",
        address=ADDRESS,
        delivery_id="1",
        now_s=0,
    )
    assert made["Subject"].startswith("Hopsight TEST: ")
