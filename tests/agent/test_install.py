"""The unit and the environment file: right by systemd's own judgement, with no more rights than needed."""

import configparser
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hopsight.agent.install import (
    ENVIRONMENT_PATH,
    UNIT_NAME,
    UNIT_PATH,
    Service,
    check_command,
    environment_text,
    needs_raw,
    remove_files,
    unit_text,
    write_files,
)
from hopsight.errors import ConfigError, HopsightError, InvalidValueError

Require = Callable[[bool, str], None]
PLAIN = Service(command=("/bin/true", "agent"))
RAW = Service(command=("/bin/true", "agent"), user="root", raw=True, packets=True)


class _Unit(configparser.RawConfigParser):
    def optionxform(self, optionstr: str) -> str:
        return optionstr


def parsed(text: str) -> configparser.RawConfigParser:
    """A unit's sections and keys; a key that stands twice is an error."""
    unit = _Unit(strict=True, delimiters=("=",))
    unit.read_string(text)
    return unit


@pytest.mark.parametrize("service", [PLAIN, RAW], ids=["plain", "raw"])
def test_systemd_finds_nothing_wrong(service: Service, tmp_path: Path, require: Require) -> None:
    """`systemd-analyze verify` has no word to say: no unknown key, no value that is ignored."""
    require(shutil.which("systemd-analyze") is not None, "systemd-analyze is not installed")
    path = tmp_path / UNIT_NAME
    path.write_text(unit_text(service))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", path], capture_output=True, text=True, check=False
    )
    said = [line for line in verified.stderr.splitlines() if UNIT_NAME in line]
    assert (verified.returncode, said) == (0, []), verified.stderr
    path.write_text(unit_text(service).replace("ProtectClock=", "ProtectKlock="))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", path], capture_output=True, text=True, check=False
    )
    assert "ProtectKlock" in verified.stderr


def test_it_has_no_capability_where_none_is_needed() -> None:
    """An empty set, in the unit's own words, and a user that exists for this service alone."""
    unit = parsed(unit_text(PLAIN))["Service"]
    assert unit["CapabilityBoundingSet"] == ""
    assert "AmbientCapabilities" not in unit
    assert unit["NoNewPrivileges"] == "yes"
    assert unit["DynamicUser"] == "yes"
    assert unit["ProtectSystem"] == "strict"
    assert unit["RestrictAddressFamilies"].split() == ["AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"]


def test_it_has_one_capability_where_one_is_needed() -> None:
    """CAP_NET_RAW, and nothing else; packet sockets when asked for."""
    unit = parsed(unit_text(RAW))["Service"]
    assert unit["CapabilityBoundingSet"] == unit["AmbientCapabilities"] == "CAP_NET_RAW"
    assert "AF_PACKET" in unit["RestrictAddressFamilies"]
    assert unit["User"] == "root"
    assert "DynamicUser" not in unit


def test_words_of_the_command_keep_their_characters() -> None:
    """Spaces, quotes, percent and dollar mean something to systemd, and do not here."""
    service = Service(command=('/opt/a b/"x"', "100%", "$HOME"))
    assert parsed(unit_text(service))["Service"]["ExecStart"] == r'"/opt/a b/\"x\"" 100%% $$HOME'


def test_the_environment_file_reads_back() -> None:
    """Every value as it was given, whatever quotes are in it; secrets are in it, but not in what is shown."""
    settings = {
        "HOPSIGHT_CONNECTION_STRING": "eyJ",
        "HOPSIGHT_NAME": 'the "left" \\ desk',
        "HOPSIGHT_PROXY": "http://u:hunter22@p:1",
    }
    lines = [line for line in environment_text(settings).splitlines() if not line.startswith("#")]
    assert dict(word.split("=", 1) for line in lines for word in shlex.split(line)) == settings
    shown = environment_text(settings, show_secrets=False)
    assert "eyJ" not in shown
    assert "hunter22" not in shown
    with pytest.raises(InvalidValueError):
        environment_text({"HOPSIGHT_NAME": "a\nHOPSIGHT_DATA=/x"})
    assert "# HOPSIGHT_CONNECTION_STRING=" in environment_text({})


@pytest.mark.parametrize(
    ("allowed", "user", "raw"),
    [
        ("0\t2147483647", None, False),
        ("1\t0", None, True),
        ("0 1000", None, True),
        ("61184 65519", None, False),
        ("0 0", "root", False),
        ("1 5", "root", True),
        ("nonsense", None, True),
    ],
)
def test_the_kernel_says_whether_a_capability_is_needed(
    tmp_path: Path, allowed: str, user: str | None, raw: bool
) -> None:
    """The group that the service will have is among those that may ping, or it is not."""
    path = tmp_path / "ping_group_range"
    path.write_text(allowed + "\n")
    assert needs_raw(user, path) is raw
    assert needs_raw(user, tmp_path / "absent")


def test_a_user_that_does_not_exist_is_named(tmp_path: Path) -> None:
    """Before anything is written."""
    (tmp_path / "range").write_text("0 1\n")
    with pytest.raises(ConfigError, match="no-such-user-here"):
        needs_raw("no-such-user-here", tmp_path / "range")


@pytest.mark.parametrize("place", ["root/.venv", "home/x", "tmp/v", "var/tmp", "run/user/1000"])
def test_a_program_that_a_service_cannot_see_is_refused(place: str) -> None:
    """It would start, and fail, again and again."""
    with pytest.raises(ConfigError, match="python3 -m venv /opt/hopsight"):
        check_command(f"/{place}/bin/hopsight")
    check_command("/opt/hopsight/bin/hopsight")
    check_command("/homes/hopsight")


def test_files_are_written_private_and_removed(tmp_path: Path) -> None:
    """The file with the connection string is for its owner alone, whatever the umask."""
    before = os.umask(0)
    try:
        written = write_files(tmp_path, "unit", "secret")
    finally:
        os.umask(before)
    assert written == [tmp_path / ENVIRONMENT_PATH, tmp_path / UNIT_PATH]
    assert (tmp_path / ENVIRONMENT_PATH).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / UNIT_PATH).stat().st_mode & 0o777 == 0o644
    write_files(tmp_path, "unit 2", None)
    assert (tmp_path / ENVIRONMENT_PATH).read_text() == "secret"
    assert (tmp_path / UNIT_PATH).read_text() == "unit 2"
    assert sorted(remove_files(tmp_path)) == sorted(written)
    assert remove_files(tmp_path) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """One sentence."""
    (tmp_path / "etc").write_text("a file")
    with pytest.raises(HopsightError, match=r"Cannot write .*hopsight-agent\.service"):
        write_files(tmp_path, "unit", None)
