"""``hopsight report verify``: what it says of files, and how it exits."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from tests.cli.conftest import Run
from tests.server.reports.documents import KEY, OTHER_KEY, sample_report
from typer.testing import CliRunner

from hopsight.cli.main import app
from hopsight.server.reports.document import encode_report
from hopsight.server.reports.signing import digest_of, fingerprint_of, public_pem, sign, signer_of

FINGERPRINT = fingerprint_of(KEY.public_key())
PAYLOAD = encode_report(structs.replace(sample_report(), signer=signer_of(KEY.public_key())))
SIGNED = sign(PAYLOAD, KEY)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A signed report."""
    path = tmp_path / "report.json"
    path.write_bytes(SIGNED)
    return path


def test_a_checked_signer_is_valid(hopsight: Run, file: Path, tmp_path: Path) -> None:
    """With the key or its fingerprint it is VALID, status 0, and says of what it is."""
    key = tmp_path / "key.pem"
    key.write_bytes(public_pem(KEY.public_key()))
    colons = ":".join(FINGERPRINT[at : at + 2] for at in range(0, 64, 2)).upper()
    for option, value in (("--key", str(key)), ("--fingerprint", FINGERPRINT), ("--fingerprint", colons)):
        done = hopsight("report", "verify", str(file), option, value)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"VALID: unchanged, and signed with the key {FINGERPRINT}\n")
        assert "period    2026-11-23T12:00:00Z to 2026-11-23T12:59:59Z\n" in done.stdout
        assert "sessions  120 of 3 agents\n" in done.stdout
        assert f"SHA-256   {digest_of(PAYLOAD)}\n" in done.stdout


def test_an_unchecked_signer_is_said(hopsight: Run, file: Path) -> None:
    """Without either it is unchanged, no more, and the status is 3."""
    done = hopsight("report", "verify", str(file))
    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith("Unchanged since signing; signer NOT checked")
    assert "VALID" not in done.stdout


def test_a_changed_report_is_invalid(hopsight: Run, file: Path) -> None:
    """Status 1, the reason on stderr, nothing of its contents."""
    changed = PAYLOAD.replace(b"Zweigstelle", b"Zweigstella")
    other = sign(changed, OTHER_KEY)
    file.write_bytes(other)
    done = hopsight("report", "verify", str(file), "--fingerprint", FINGERPRINT)
    assert done.returncode == 1
    assert done.stderr.startswith("INVALID: ")
    assert done.stdout == ""


def test_wrong_usage_is_told_apart(hopsight: Run, file: Path, tmp_path: Path) -> None:
    """No file, no fingerprint, a private key for a public one: status 2, and what is accepted."""
    for arguments in (
        (str(tmp_path / "none.json"),),
        (str(tmp_path),),
        (str(file), "--fingerprint", "abc"),
        (str(file), "--key", str(file)),
    ):
        done = hopsight("report", "verify", *arguments)
        assert done.returncode == 2, done.stderr
        assert "accepted" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_later_version_is_valid_without_contents(file: Path) -> None:
    """What was signed right is valid, whether or not we can read all of it."""
    later = PAYLOAD.replace(b"hopsight-report/1", b"hopsight-report/2")
    file.write_bytes(sign(later, KEY))
    done = CliRunner().invoke(app, ["report", "verify", str(file), "--fingerprint", FINGERPRINT])
    assert done.exit_code == 0, done.output
    assert "its contents are not shown" in done.output


def test_names_cannot_move_the_cursor(file: Path) -> None:
    """A signed report may be hostile: what it says is printed as text."""
    hostile = structs.replace(
        sample_report(), account_group="\x1b[2Jgone", signer=signer_of(OTHER_KEY.public_key())
    )
    file.write_bytes(sign(encode_report(hostile), OTHER_KEY))
    done = CliRunner().invoke(app, ["report", "verify", str(file)])
    assert done.exit_code == 3
    assert "\x1b" not in done.output


@settings(deadline=None)
@given(st.binary(max_size=300) | st.integers(0, len(SIGNED) - 2).map(lambda at: SIGNED[:at]))
def test_hostile_files_end_in_words(content: bytes) -> None:
    """Any bytes, and any beginning of a signed report, are INVALID with status 1 and no fault."""
    done = CliRunner().invoke(app, ["report", "verify", "-"], input=content)
    assert done.exit_code == 1, done.output
    assert "INVALID: " in done.output
    assert isinstance(done.exception, SystemExit)


def test_a_key_that_is_none_is_said_at_the_start(hopsight: Run, tmp_path: Path) -> None:
    """The server does not begin to serve with a key that it cannot sign with."""
    key = tmp_path / "open.pem"
    key.write_text("x")
    os.chmod(key, 0o644)  # noqa: PTH101 - umask must not matter
    done = hopsight(
        "server", "--data", str(tmp_path / "d"), "--listen", "127.0.0.1:0", "--report-key", str(key)
    )
    assert done.returncode == 2
    assert "--report-key" in done.stderr
    assert "chmod 600" in done.stderr


@settings(deadline=None)
@given(st.integers(0, len(PAYLOAD) - 1), st.binary(min_size=1, max_size=6))
def test_hostile_documents_end_in_words(place: int, inserted: bytes) -> None:
    """Whatever somebody signs with a key of their own, the command says something, and is no fault."""
    content = sign(PAYLOAD[:place] + inserted + PAYLOAD[place + 1 :], KEY)
    done = CliRunner().invoke(app, ["report", "verify", "-"], input=content)
    assert done.exit_code in {1, 3}, done.output
    assert isinstance(done.exception, SystemExit)
