"""The agent as a systemd service: its unit, with no more rights than it needs, and its environment file.

Only texts are made here, and files written and removed; nothing is started.
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from hopsight.errors import ConfigError, HopsightError, InvalidValueError

UNIT_NAME: Final = "hopsight-agent.service"
UNIT_PATH: Final = Path("etc/systemd/system") / UNIT_NAME
ENVIRONMENT_PATH: Final = Path("etc/hopsight/agent.env")
STATE_NAME: Final = "hopsight"
SECRET_VARIABLE: Final = "HOPSIGHT_CONNECTION_STRING"  # noqa: S105 - its name, not its value

# systemd.exec(5): the numbers that DynamicUser= draws from.
_DYNAMIC_GROUPS: Final = (61_184, 65_519)
_PING_GROUP_RANGE: Final = Path("/proc/sys/net/ipv4/ping_group_range")
# Below the root: what ProtectHome= and PrivateTmp= hide from a service.
_PRIVATE_PLACES: Final = ("home", "root", "run/user", "tmp", "var/tmp")


_UNIT: Final = """\
[Unit]
Description=Hopsight agent: measures this machine's network
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={command}
EnvironmentFile={environment}
Environment=HOPSIGHT_DATA=%S/{state}
{who}
StateDirectory={state}
StateDirectoryMode=0700
UMask=0077
Restart=on-failure
RestartSec=10
# A wrong setting stays wrong.
RestartPreventExitStatus=2

# It may cost this much and no more.
MemoryHigh=96M
MemoryMax=256M
TasksMax=64
CPUWeight=20
IOWeight=20
Nice=5

# Its rights: {rights}.
{ambient}CapabilityBoundingSet={capability}
NoNewPrivileges=yes
RestrictAddressFamilies={families}
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""


class Service(Struct, frozen=True, kw_only=True):
    """What is to be installed.

    Args:
        command: program and arguments, absolute.
        user: whom it runs as; None: a user that systemd makes for it alone.
        raw: give it CAP_NET_RAW.
        packets: let it open packet sockets, too (name servers' answers, for passive sessions).
    """

    command: tuple[str, ...]
    user: str | None = None
    raw: bool = False
    packets: bool = False


def unit_text(service: Service) -> str:
    """The unit file."""
    return _UNIT.format(
        command=" ".join(_quoted_word(word) for word in service.command),
        environment=f"/{ENVIRONMENT_PATH}",
        state=STATE_NAME,
        who=f"User={service.user}" if service.user else "DynamicUser=yes",
        rights="raw sockets" if service.raw else "none beyond those of any user",
        ambient="AmbientCapabilities=CAP_NET_RAW\n" if service.raw else "",
        capability="CAP_NET_RAW" if service.raw else "",
        families="AF_UNIX AF_INET AF_INET6 AF_NETLINK" + (" AF_PACKET" if service.packets else ""),
    )


def environment_text(settings: Mapping[str, str], *, show_secrets: bool = True) -> str:
    """The environment file: one ``NAME="value"`` a line, quoted as systemd reads it.

    Raises:
        InvalidValueError: a value has more than one line.
    """
    lines = ["# Settings of the Hopsight agent; `hopsight agent --help` names them all."]
    if SECRET_VARIABLE not in settings:
        lines.append(f"# {SECRET_VARIABLE}=what `hopsight admin connection-string create` printed")
    for name, value in settings.items():
        if "\n" in value or "\0" in value:
            raise InvalidValueError(name, "(more than one line)", "one line")
        # A proxy's URL may have a password in it.
        hidden = not show_secrets and (name == SECRET_VARIABLE or "@" in value)
        lines.append(f'{name}="{"(the one given)" if hidden else _escaped(value)}"')
    return "\n".join(lines) + "\n"


def needs_raw(user: str | None, ping_group_range: Path = _PING_GROUP_RANGE) -> bool:
    """Whether ICMP takes a capability here: the kernel lets only some groups open ICMP sockets without.

    Raises:
        ConfigError: there is no such user.
    """
    try:
        lowest, highest = (int(word) for word in ping_group_range.read_text("ascii").split())
    except (OSError, ValueError):
        return True
    first, last = _groups_of(user)
    return not lowest <= first <= last <= highest


def check_command(path: str) -> None:
    """See that a service can reach the program.

    Raises:
        ConfigError: it is where only one user can, or where services see nothing.
    """
    private = [Path("/", place) for place in _PRIVATE_PLACES]
    given = (Path(path), Path(path).parent.resolve())
    if any(one.is_relative_to(place) for one in given for place in private):
        accepted = (
            "a place that a service may read: python3 -m venv /opt/hopsight && "
            "/opt/hopsight/bin/pip install . in a clone, then /opt/hopsight/bin/hopsight agent install"
        )
        raise ConfigError("program", path, accepted)


def write_files(root: Path, unit: str, environment: str | None) -> list[Path]:
    """Write unit and (unless None) environment file below ``root``.

    Returns:
        What was written.

    Raises:
        HopsightError: it cannot be.
    """
    written = []
    if environment is not None:
        # Before the unit that reads it, and readable by nobody else from its first byte on.
        written.append(_replace(root / ENVIRONMENT_PATH, environment, 0o600))
    written.append(_replace(root / UNIT_PATH, unit, 0o644))
    return written


def remove_files(root: Path) -> list[Path]:
    """Remove what ``write_files`` wrote.

    Returns:
        What was there.

    Raises:
        HopsightError: it cannot be removed.
    """
    removed = []
    for path in (root / UNIT_PATH, root / ENVIRONMENT_PATH):
        try:
            path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise HopsightError(f"Cannot remove {path}: {error.strerror}") from None
        removed.append(path)
    return removed


def _groups_of(user: str | None) -> tuple[int, int]:
    if user is None:
        return _DYNAMIC_GROUPS
    import pwd  # noqa: PLC0415 - not on Windows

    try:
        group = pwd.getpwnam(user).pw_gid
    except KeyError:
        raise ConfigError("user", user, "a user of this machine (or none, for one of its own)") from None
    return group, group


def _replace(path: Path, text: str, mode: int) -> Path:
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            Path(temporary).chmod(mode)
            file.write(text)
        Path(temporary).replace(path)
    except OSError as error:
        raise HopsightError(f"Cannot write {path}: {error.strerror}") from None
    return path


def _quoted_word(word: str) -> str:
    # systemd.service(5), "Command lines": % and $ mean something there.
    plain = word.replace("%", "%%").replace("$", "$$")
    return f'"{_escaped(plain)}"' if set(plain) & set(" \t\"'\\;") else plain


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
